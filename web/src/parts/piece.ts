// Pieces of parts: code that is fetched when it is shown, together with the texts of its part.
import { type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, get, useRetry } from "../api/client";
import { language } from "../i18n";
import { type Load, type Part } from "./part";

/** Components that are here, by the function that fetched them. */
const loaded = new Map<unknown, unknown>();

/** A piece on its way. */
export interface Piece<P> {
  /** Undefined until code and texts are here. */
  Content: ComponentType<P> | undefined;
  /** Why they did not load. `outdated`: the server responds, but its files have changed. */
  failed: ApiError | "outdated" | undefined;
  /** Tries again. */
  again: () => void;
}

/** Fetches a piece of a part, and the part's texts whenever the language changes. */
export function usePiece<P>(part: Part, load: Load<P>): Piece<P> {
  const [, setTurn] = useState(0);
  const [failed, setFailed] = useState<Piece<P>["failed"]>();
  const Content = part.texts.ready() ? (loaded.get(load) as ComponentType<P> | undefined) : undefined;
  /** Finds out why the module did not load; calls `reached` if the server responds. */
  const find = (reached: () => void): void => {
    get("/healthz").then(reached, (error: unknown) => {
      setFailed(error instanceof ApiError ? error : new ApiError(0, String(error)));
    });
  };
  useEffect(() => {
    setFailed(undefined);
    if (Content) return;
    Promise.all([load(), part.texts.load()]).then(
      ([module]) => {
        loaded.set(load, module.default);
        setTurn((before) => before + 1);
      },
      () => find(() => setFailed("outdated")),
    );
  }, [load, part, language.value]);
  // browsers remember that a module failed to load, so only a reload of the whole page tries it again
  const again = (): void => find(() => location.reload());
  useRetry(failed === "outdated" ? undefined : failed, again);
  return { Content, failed, again: failed === "outdated" ? () => location.reload() : again };
}
