// The version, the docs and the changelog, which are in the binary.
import { useEffect, useState } from "preact/hooks";
import docs, { version } from "docs:all";
import { Loading, Page, Panel, Problem } from "../../ui";
import { Markdown } from "../../markdown/Markdown";
import type { PageProps } from "../part";
import { t } from "./texts";

/** Returns the console's address of a link of the docs. */
function link(to: string): string | undefined {
  if (/^(?:https?:|#)/.test(to)) return to;
  const [, name = "", hash = ""] = /^(?:\.\/)?([a-z-]+|README|CHANGELOG)\.md(#.*)?$/.exec(to) ?? [];
  const known = docs.some((one) => one.name === name.toLowerCase());
  return known ? `/about/${name.toLowerCase()}${hash}` : undefined;
}

export default function AboutPage({ params, title }: PageProps) {
  const { doc } = params;
  const found = docs.find(({ name }) => name === doc);
  if (doc !== undefined && !found) {
    return (
      <Page title={title}>
        <p>{t("about.missing")}</p>
        <p>
          <a href="/about">{title}</a>
        </p>
      </Page>
    );
  }
  if (found) return <Doc key={found.name} doc={found} />;
  return (
    <Page title={title}>
      <Panel title={`monban ${version}`} note={t("about.inside")}>
        <ul class="about-docs">
          {docs.map(({ name, title }) => (
            <li key={name}>
              <a href={`/about/${name}`} lang="en">
                {title}
              </a>
            </li>
          ))}
        </ul>
      </Panel>
    </Page>
  );
}

function Doc({ doc }: { doc: (typeof docs)[number] }) {
  const [text, setText] = useState<string>();
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    doc.load().then(
      ({ default: text }) => setText(text),
      () => setFailed(true),
    );
  }, [doc]);
  useEffect(() => {
    const anchor = decodeURIComponent(location.hash.slice(1));
    if (text !== undefined && anchor) document.getElementById(anchor)?.scrollIntoView();
  }, [text, location.hash]);
  return (
    <Page title={doc.title} actions={<a href="/about">{t("about.all")}</a>}>
      {failed && <Problem error={t("shell.outdated")} retry={() => location.reload()} />}
      {text === undefined ? !failed && <Loading lines={10} /> : <Markdown text={text} link={link} />}
    </Page>
  );
}
