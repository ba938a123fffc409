import { useSyncExternalStore } from "react";

/** Where the menu goes behind a button (styles/frame.css), tables have no room either. */
const NARROW = "(max-width: 52rem)";

/** Whether the window is as narrow as a phone's. */
export function useNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      const query = matchMedia(NARROW);
      query.addEventListener("change", listener);
      return () => query.removeEventListener("change", listener);
    },
    () => matchMedia(NARROW).matches,
  );
}
