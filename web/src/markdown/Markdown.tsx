// Shows the Markdown of monban's own docs.
import { useMemo } from "preact/hooks";
import { type Block, blocksOf, type Inline, inlineOf } from "./blocks";

/** `link` returns the address of a link of the docs; undefined if the console does not have its page. */
type Link = (to: string) => string | undefined;

function Words({ text, link }: { text: string; link: Link }) {
  return <>{inlineOf(text).map((one, at) => word(one, at, link))}</>;
}

function word(one: Inline, at: number, link: Link) {
  switch (one.kind) {
    case "code":
      return <code key={at}>{one.text}</code>;
    case "strong":
      return <strong key={at}>{one.text}</strong>;
    case "em":
      return <em key={at}>{one.text}</em>;
    case "link": {
      const to = link(one.to);
      if (to === undefined) return one.text;
      const away = /^https?:/.test(to) ? { target: "_blank", rel: "noreferrer" } : {};
      return (
        <a key={at} href={to} {...away}>
          {one.text}
        </a>
      );
    }
    default:
      return one.text;
  }
}

function Shown({ blocks, link }: { blocks: readonly Block[]; link: Link }) {
  return (
    <>
      {blocks.map((block, at) => {
        switch (block.kind) {
          case "heading": {
            // the page has its own first heading
            const Heading = `h${Math.min(4, Math.max(2, block.level))}` as "h2";
            return (
              <Heading key={at} id={block.id} tabIndex={-1}>
                <Words text={block.text} link={link} />
              </Heading>
            );
          }
          case "code":
            return (
              <pre key={at} class="bytes" tabIndex={0}>
                {block.text}
              </pre>
            );
          case "list": {
            const List = block.ordered ? "ol" : "ul";
            return (
              <List key={at}>
                {block.items.map((item, index) => (
                  <li key={index}>
                    <Shown blocks={item} link={link} />
                  </li>
                ))}
              </List>
            );
          }
          case "table":
            return (
              <div key={at} class="markdown-table" tabIndex={0} role="group">
                <table class="table">
                  <thead>
                    <tr>
                      {block.head.map((cell, index) => (
                        <th key={index} scope="col">
                          <Words text={cell} link={link} />
                        </th>
                      ))}
                    </tr>
                  </thead>
                  <tbody>
                    {block.rows.map((row, index) => (
                      <tr key={index}>
                        {row.map((cell, place) => (
                          <td key={place} data-title={block.head[place]}>
                            <div>
                              <Words text={cell} link={link} />
                            </div>
                          </td>
                        ))}
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            );
          default:
            if (inlineOf(block.text).length === 0) return null;
            return (
              <p key={at}>
                <Words text={block.text} link={link} />
              </p>
            );
        }
      })}
    </>
  );
}

export function Markdown({ text, link }: { text: string; link: Link }) {
  const blocks = useMemo(() => blocksOf(text), [text]);
  const [first, ...others] = blocks;
  // the first heading is the title of the page
  return (
    <div class="markdown" lang="en">
      <Shown blocks={first?.kind === "heading" && first.level === 1 ? others : blocks} link={link} />
    </div>
  );
}
