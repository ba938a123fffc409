import * as z from "zod";
import { choosePort } from "./loopback.ts";
import type { State } from "./state.ts";

const Ports = z.record(z.string(), z.number());

/** Something that listens. */
export type Door = {
  /** Its name in ports.json. */
  name: string;
  title: string;
  /** Its port when nobody says otherwise; 0 is any free one. */
  usual: number;
  /** What belongs to its very address, and is unreachable while it is somewhere else. */
  tied?: string;
};

/** The app, the proxy and the local OpenID provider (CONTRACT §1). An identity names its issuer, and that is an address. */
export const DOORS = {
  public: { name: "public", title: "the app", usual: 8420 },
  proxy: { name: "proxy", title: "the proxy", usual: 8421 },
  oidc: { name: "oidc", title: "the local sign-in", usual: 8422, tied: "the accounts of earlier runs" },
} satisfies Record<string, Door>;

/**
 * The port of a door: the one asked for, else the one it had before, else its usual one; a free one where that is taken.
 * What was chosen is kept, so that addresses stay what they were. A throw-away run takes any free port.
 */
export async function portOf(
  state: State,
  door: Door,
  asked: number | undefined,
  log: (line: string) => void,
): Promise<number> {
  const ports = (await state.read("ports.json", Ports)) ?? {};
  const kept = ports[door.name];
  const wanted = asked ?? kept ?? (state.thrown_away ? 0 : door.usual);
  const port = await choosePort(wanted);
  const moved = wanted !== 0 && port !== wanted;
  if (moved) log(`Port ${wanted} is taken, so ${door.title} is on port ${port} instead.`);
  const left = kept !== undefined && kept !== port && door.tied !== undefined;
  if (left) log(`Until ${door.title} is back on port ${kept}, ${door.tied} cannot be reached.`);
  if ((moved || asked === undefined) && !left) await state.write("ports.json", { ...ports, [door.name]: port });
  return port;
}
