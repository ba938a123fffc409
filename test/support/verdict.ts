/** What is said of a log: `ok` once all of it was walked. */
export type Verdict = { ok?: boolean; rows: number; fault?: string; next_cursor?: string };

/** The verdict on a whole log, however many requests it takes. */
export async function verdictOn(
  ask: (method: "GET" | "POST", body?: { cursor: string }) => Promise<Verdict>,
): Promise<Verdict> {
  let told = await ask("GET");
  while (told.next_cursor !== undefined) told = await ask("POST", { cursor: told.next_cursor });
  return told;
}
