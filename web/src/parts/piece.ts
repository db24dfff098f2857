// Modules of parts that are fetched when they are shown, together with the texts of their part.
import { type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, get, useRetry } from "../api/client";
import { language } from "../i18n";
import { type Part } from "./part";

/** Loaded modules, by the function that fetched them. */
const loaded = new Map<unknown, unknown>();

/** A module that is being loaded. */
export interface Piece<M> {
  /** Undefined until module and texts have loaded. */
  module: M | undefined;
  /** The error if they did not load. `outdated` means that the server responds, but its files have changed. */
  failed: ApiError | "outdated" | undefined;
  /** Retries. */
  again: () => void;
}

/** Fetches a module of a part, and the part's texts whenever the language changes. */
export function useModule<M>(part: Part, load: () => Promise<M>): Piece<M> {
  const [, setTurn] = useState(0);
  const [failed, setFailed] = useState<Piece<M>["failed"]>();
  const module = part.texts.ready() ? (loaded.get(load) as M | undefined) : undefined;
  /** Finds out why the module did not load. Calls `reached` if the server responds. */
  const find = (reached: () => void): void => {
    get("/healthz").then(reached, (error: unknown) => {
      setFailed(error instanceof ApiError ? error : new ApiError(0, String(error)));
    });
  };
  useEffect(() => {
    setFailed(undefined);
    if (module) return;
    Promise.all([load(), part.texts.load()]).then(
      ([fetched]) => {
        loaded.set(load, fetched);
        setTurn((before) => before + 1);
      },
      () => find(() => setFailed("outdated")),
    );
  }, [load, part, language.value]);
  // browsers remember that a module failed to load, so only reloading the whole page retries it
  const again = (): void => find(() => location.reload());
  useRetry(failed === "outdated" ? undefined : failed, again);
  return { module, failed, again: failed === "outdated" ? () => location.reload() : again };
}

/** Does the same as {@link useModule}, for a module with one component. */
export function usePiece<P>(
  part: Part,
  load: () => Promise<{ default: ComponentType<P> }>,
): Omit<Piece<never>, "module"> & { Content: ComponentType<P> | undefined } {
  const { module, failed, again } = useModule(part, load);
  return { Content: module?.default, failed, again };
}
