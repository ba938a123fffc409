import type { Command } from "commander";
import { locker, type Answer, type Locker } from "../client.ts";
import { answer, command, group, type Common } from "../command.ts";
import { findOne, shortId } from "../find.ts";
import { confirm } from "../prompts.ts";
import { ago, note, plain, say, sayJson, table } from "../terminal.ts";

type Device = Answer<"GET /devices">["items"][number];

/** What is connected: MCP clients and devices. */
export function clientCommands(program: Command): void {
  const clients = group(program, "clients", "MCP clients that are connected").alias("grants");
  command(clients, "list", "list connected clients").action((options: Common) =>
    answer(
      options,
      async (locker) => ({ items: (await locker.list("GET /grants")).filter(isLive) }),
      ({ items }) => {
        if (items.length === 0) return note("No client is connected.");
        const rows = items.map(({ id, client_name, paused, scopes, authorized_at, last_used_at }) => [
          shortId(id),
          client_name,
          paused ? "paused" : "live",
          scopes.join(" "),
          ago(authorized_at),
          ago(last_used_at),
        ]);
        say(table(["ID", "NAME", "STATE", "MAY", "CONNECTED", "LAST USED"], rows));
      },
    ),
  );
  command(
    clients,
    "pause <client>",
    "stop a client for now, and cut what it has open; you let it go on in the browser",
  ).action((ref: string, options: Common) =>
    answer(
      options,
      async (locker) => {
        const { id } = await findClient(locker, ref);
        return { ...(await locker.call("POST /grants/{id}/pause", { params: { id } })), url: `${locker.url}/clients` };
      },
      ({ client_name, url }) => note(`${plain(client_name)} is paused. It goes on when you say so at ${url}`),
    ),
  );
  command(clients, "revoke <client>", "disconnect a client: its tokens, sessions and streams end at once")
    .option("-y, --yes", "do not ask")
    .action(async (ref: string, { yes = false, ...options }: Common & { yes?: boolean }) => {
      const at = await locker(options);
      const { id, name } = await findClient(at, ref);
      await confirm(`Disconnect ${plain(name)}?`, yes);
      const receipt = await at.call("DELETE /grants/{id}", { params: { id } });
      if (options.json === true) sayJson(receipt);
      else note(`${plain(name)} is disconnected; ${receipt.streams_cut} streams were cut.`);
    });

  const devices = group(program, "devices", "devices that are signed in");
  command(devices, "list", "list devices")
    .option("--all", "those that are signed out too")
    .action(({ all = false, ...options }: Common & { all?: boolean }) =>
      answer(
        options,
        async (locker) => ({ items: (await locker.list("GET /devices")).filter((device) => all || isLive(device)) }),
        ({ items }) => say(table(["ID", "NAME", "PLATFORM", "SEEN", "SECRETS", ""], items.map(row))),
      ),
    );
  command(devices, "rename <device> <name>", "rename a device").action((ref: string, name: string, options: Common) =>
    answer(
      options,
      async (locker) => {
        const { id } = findOne(await locker.list("GET /devices"), ref, "device");
        return locker.call("PATCH /devices/{id}", { params: { id }, body: { name } });
      },
      (device) => note(`It is ${plain(device.name)} now.`),
    ),
  );
  command(devices, "revoke <device>", "sign a device out: its token and all that it minted are dead at once")
    .option("-y, --yes", "do not ask")
    .action(async (ref: string, { yes = false, ...options }: Common & { yes?: boolean }) => {
      const at = await locker(options);
      const { id, name, current } = findOne((await at.list("GET /devices")).filter(isLive), ref, "device");
      await confirm(current ? `${plain(name)} is this very device. Sign it out?` : `Sign ${plain(name)} out?`, yes);
      const receipt = await at.call("DELETE /devices/{id}", { params: { id } });
      if (options.json === true) sayJson(receipt);
      else note(`${plain(name)} is signed out; ${receipt.streams_cut} streams were cut.`);
    });
}

async function findClient(at: Locker, ref: string): Promise<{ id: string; name: string }> {
  const live = (await at.list("GET /grants")).filter(isLive);
  return findOne(
    live.map(({ id, client_name }) => ({ id, name: client_name })),
    ref,
    "client",
  );
}

function isLive({ revoked_at, expires_at }: Pick<Device, "revoked_at" | "expires_at">): boolean {
  return revoked_at === undefined && (expires_at === undefined || Date.parse(expires_at) > Date.now());
}

function row(device: Device): string[] {
  const { id, name, platform, seen_at, reveal_until, current } = device;
  const unlocked = reveal_until !== undefined && Date.parse(reveal_until) > Date.now();
  const state = isLive(device) ? "" : "signed out";
  return [
    shortId(id),
    name,
    platform,
    ago(seen_at),
    unlocked ? `shown, ends ${ago(reveal_until)}` : "no",
    current ? "this one" : state,
  ];
}
