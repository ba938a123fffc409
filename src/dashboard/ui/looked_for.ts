import { useSearchParams } from "wouter";

/** What is looked for stands in the address, so that a view can be kept or sent. Choosing nothing takes it out again. */
export function useLookedFor(): [URLSearchParams, (name: string, value: string) => void] {
  const [search, setSearch] = useSearchParams();
  const choose = (name: string, value: string) =>
    setSearch(
      (now) => {
        if (value === "") now.delete(name);
        else now.set(name, value);
        return now;
      },
      { replace: true },
    );
  return [search, choose];
}
