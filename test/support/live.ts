import { onTestFinished } from "vitest";
import type { Person } from "../../src/local/person.ts";
import { connect, type End } from "./websocket.ts";
import type { ActivityRow } from "./locker.ts";

type Told = { type: string; seq: number; row?: ActivityRow } & Record<string, unknown>;

/** An open live feed. */
export type Feed = {
  end: End;
  ready: Told;
  /** Every message so far, to the letter. */
  heard: string[];
  /** The next message of that kind; others are passed over. */
  next(wanted: (told: Told) => boolean): Promise<Told>;
};

/** Opens the feed as the dashboard does. */
export async function feedOf({ origin, cookie }: Person): Promise<Feed> {
  return openFeed(origin, { cookie, origin });
}

export async function openFeed(origin: string, headers: Record<string, string>): Promise<Feed> {
  const opened = await connect(`${origin}/v1/live`, { headers });
  if ("refused" in opened) throw new Error(`${opened.refused} ${opened.body}`);
  const { end } = opened;
  onTestFinished(() => end.socket.close());
  const heard: string[] = [];
  const next = async (wanted: (told: Told) => boolean): Promise<Told> => {
    for (;;) {
      const { text = "" } = await end.next();
      heard.push(text);
      const told = JSON.parse(text) as Told;
      if (wanted(told)) return told;
    }
  };
  return { end, ready: await next(({ type }) => type === "ready"), heard, next };
}
