import { Locker } from "./client.ts";

/** What a reaper looks after: a command's token, and with what it can be revoked. */
export type Charge = { url: string; token: string; id: string };

const TRIES = 20;
const WAIT_MS = 3_000;

/**
 * Waits beside `run --proxy` for its end, which it hears by its pipe closing. Whoever ends well says so; after any other end, a
 * kill that nobody can catch above all, the command's token is revoked here.
 */
export async function reap(): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  let heard = "";
  for await (const chunk of process.stdin) heard += String(chunk);
  const [first = "", second = ""] = heard.split("\n");
  if (second === "done" || first === "") return;
  const { url, token, id } = JSON.parse(first) as Charge;
  const locker = new Locker({ url, token, profile: "", stored: false });
  for (let left = TRIES; left > 0; left--) {
    try {
      await locker.call("DELETE /tokens/{id}", { params: { id } });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    }
  }
}
