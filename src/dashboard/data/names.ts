import { useKeyNames } from "./key_names.ts";
import { useAnswer } from "./queries.ts";

const MOST = { query: { limit: 200 } };

/** What keys, tokens, clients, devices and machines are called, by id. */
export function useNames(): ReadonlyMap<string, string> {
  const keys = useKeyNames();
  const tokens = useAnswer("GET /tokens", MOST);
  const grants = useAnswer("GET /grants", MOST);
  const devices = useAnswer("GET /devices", MOST);
  const trusts = useAnswer("GET /trusts", MOST);
  return new Map([
    ...keys,
    ...[tokens, devices, trusts].flatMap(({ data }) => data?.items.map(({ id, name }) => [id, name] as const) ?? []),
    ...(grants.data?.items ?? []).flatMap(
      ({ id, client_id, client_name }) =>
        [
          [id, client_name],
          [client_id, client_name],
        ] as const,
    ),
  ]);
}
