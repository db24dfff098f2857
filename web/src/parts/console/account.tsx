// The visitor's account: sign-in methods, sessions, API tokens.
import { type Account } from "../../api";
import { useLoad } from "../../api/client";
import { Loading, Page, Problem } from "../../ui";
import type { PageProps } from "../part";
import { Passkeys, Password, Totp } from "./account/factors";
import { SessionList } from "./account/sessions";
import { TokenList } from "./account/tokens";

export default function AccountPage({ title }: PageProps) {
  const { data, error, reload } = useLoad<Account>("/api/account");
  return (
    <Page title={title}>
      {error && <Problem error={error} retry={reload} />}
      {!data && !error && <Loading />}
      {data && (
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
    </Page>
  );
}
