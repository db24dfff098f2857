// The visitor's account: sign-in methods, sessions, API tokens.
import { type Account } from "../../api";
import { useLoad } from "../../api/client";
import { Loads, Page } from "../../ui";
import type { PageProps } from "../part";
import { Passkeys, Password, Totp } from "./account/factors";
import { SessionList } from "./account/sessions";
import { TokenList } from "./account/tokens";

export default function AccountPage({ title }: PageProps) {
  const load = useLoad<Account>("/api/account");
  const { reload } = load;
  return (
    <Page title={title}>
      <Loads load={load}>
        {(data) => (
          <>
            <div class="columns">
              <Password account={data} />
              <Totp account={data} reload={reload} />
              <Passkeys account={data} reload={reload} />
            </div>
            <SessionList />
            <TokenList />
          </>
        )}
      </Loads>
    </Page>
  );
}
