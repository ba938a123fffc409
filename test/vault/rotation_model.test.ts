/**
 * Rotation against a small model of SECURITY S7: clients that share a store or keep copies, lose answers and come late, a thief
 * with old copies, time, sleep and crashes, in any order that fast-check thinks of.
 */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, inject, it, vi } from "vitest";
import type { Origin } from "../../src/vault/audit/row.ts";
import { accessOf, newRotating, refreshWith, type Held } from "../support/refresh.ts";
import { type Vault, authorize, evict, inside, newVault, refusalOf, sql, storeKey, travel } from "../support/vault.ts";

const RUNS = inject("consistency_runs");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const IDLE = 2 * 24 * HOUR;
const CLIENTS = 3;

const PLACES: Origin[] = [
  { ip: "192.0.2.1", country: "NZ", user_agent: "app/1" },
  { ip: "192.0.2.99", country: "NZ", user_agent: "app/1" },
  { ip: "192.0.2.1", country: "NZ", user_agent: "other/1" },
  { ip: "203.0.113.5", country: "FR", user_agent: "app/1" },
];
/** The model's own idea of a place: the first two share one. */
const HOMES = ["home", "home", "home, other agent", "away"];

type Generation = { at: number; used: boolean; home: string; repeats: Map<number, number> };

/** What should be. Generations are told by number; what the real thing answers is only compared, never looked into. */
class Model {
  generations: Generation[] = [];
  seen = new Map<string, number>();
  answered_at = 0;
  dead = false;
  /** What each client holds in memory, and what was copied by a thief. */
  clients: number[] = Array.from({ length: CLIENTS }, () => 0);
  stolen: number[] = [];

  get now(): number {
    return Date.now();
  }

  get head(): number {
    return this.generations.length - 1;
  }

  found(home: string): void {
    this.#add(home);
  }

  /** One refresh, from its rule: what is answered, and all that it changes. */
  refresh(generation: number, home: string): string {
    if (this.dead) return "invalid_token revoked";
    if (this.now - this.answered_at > IDLE) return "invalid_token expired";
    const head = this.generations[this.head] as Generation;
    if (generation === this.head) {
      this.#add(home);
      return "accepted";
    }
    const replaced_at = this.generations[generation + 1]?.at ?? 0;
    const last_but_one = generation === this.head - 1;
    const home_known = head.home === home || this.now - (this.seen.get(home) ?? -Infinity) <= 24 * HOUR;
    if (!(this.now - replaced_at <= MINUTE) && !(last_but_one && (!head.used || home_known))) {
      this.dead = true;
      return "invalid_token reuse";
    }
    const minute = Math.floor((this.now - head.at) / MINUTE);
    const repeats = head.repeats.get(minute) ?? 0;
    if (repeats >= 100) return "rate_limited repeats";
    head.repeats.set(minute, repeats + 1);
    this.#answer(home);
    return "accepted";
  }

  #add(home: string): void {
    this.generations.push({ at: this.now, used: false, home, repeats: new Map() });
    this.#answer(home);
  }

  #answer(home: string): void {
    this.answered_at = this.now;
    this.seen.set(home, this.now);
  }
}

/** The vault, and the tokens of each generation as they were answered. */
type Real = { vault: Vault; held: Held[] };
type Command = fc.AsyncCommand<Model, Real>;

/** Takes an answer in: that of a new generation is kept, that of the head must be the same refresh token again. */
function compare(model: Model, { held }: Real, answer: Held): void {
  const known = held[model.head];
  if (known === undefined) held[model.head] = answer;
  else {
    expect(answer.refresh_token).toBe(known.refresh_token);
    held[model.head] = answer;
  }
}

async function present(model: Model, real: Real, generation: number, place: number): Promise<void> {
  const expected = model.refresh(generation, HOMES[place] as string);
  const asked = refreshWith(real.vault, real.held[generation] as Held, PLACES[place]);
  expect(await refusalOf(asked)).toBe(expected);
  if (expected === "accepted") compare(model, real, await asked);
}

const commands = {
  /** A client refreshes what it holds; its answer may be lost on the way. */
  refresh: (client: number, place: number, lost: boolean): Command => ({
    check: () => true,
    toString: () => `client ${client} refreshes from ${HOMES[place]}${lost ? ", the answer is lost" : ""}`,
    async run(model, real) {
      await present(model, real, model.clients[client] as number, place);
      if (!lost && !model.dead) model.clients[client] = model.head;
    },
  }),
  /** Several processes refresh the same token at once: one rotation, equal answers. */
  together: (client: number, place: number, many: number): Command => ({
    check: () => true,
    toString: () => `${many} processes refresh at once what client ${client} holds`,
    async run(model, real) {
      const generation = model.clients[client] as number;
      const expected = Array.from({ length: many }, () => model.refresh(generation, HOMES[place] as string));
      const asked = expected.map(() => refreshWith(real.vault, real.held[generation] as Held, PLACES[place]));
      expect((await Promise.all(asked.map(refusalOf))).toSorted()).toEqual(expected.toSorted());
      const answers = (await Promise.allSettled(asked)).filter((one) => one.status === "fulfilled");
      expect(new Set(answers.map(({ value }) => JSON.stringify(value))).size).toBeLessThanOrEqual(1);
      for (const { value } of answers) compare(model, real, value);
      if (!model.dead) model.clients[client] = model.head;
    },
  }),
  /** A client reads its neighbour's copy, as one does that shares a store. */
  share: (client: number, from: number): Command => ({
    check: () => true,
    toString: () => `client ${client} reads what client ${from} holds`,
    run: async (model) => {
      model.clients[client] = Math.max(model.clients[client] as number, model.clients[from] as number);
    },
  }),
  use: (generations_back: number): Command => ({
    check: (model) => model.head - generations_back >= 0,
    toString: () => `an access token of ${generations_back} generations back is used`,
    async run(model, real) {
      const generation = model.head - generations_back;
      const { expires_at } = real.held[generation] as Held;
      const expected = model.dead
        ? "invalid_token revoked"
        : generations_back > 1
          ? "invalid_token superseded"
          : expires_at <= model.now
            ? "invalid_token expired"
            : "accepted";
      expect(await refusalOf(authorize(real.vault, accessOf(real.held[generation] as Held), "k"))).toBe(expected);
      (model.generations[generation] as Generation).used = true;
    },
  }),
  steal: (client: number): Command => ({
    check: () => true,
    toString: () => `a thief copies what client ${client} holds`,
    run: async (model) => void model.stolen.push(model.clients[client] as number),
  }),
  thief: (which: number, place: number): Command => ({
    check: (model) => model.stolen.length > 0,
    toString: () => `the thief shows copy ${which} from ${HOMES[place]}`,
    run: (model, real) => present(model, real, model.stolen[which % model.stolen.length] as number, place),
  }),
  wait: (ms: number): Command => ({
    check: () => true,
    toString: () => `${ms / 1_000} s pass`,
    run: async () => travel(ms),
  }),
  sleep: (): Command => ({
    check: () => true,
    toString: () => "the vault sleeps",
    run: (_model, { vault }) => evict(vault),
  }),
  /** The object dies while it refreshes: the rotation is done whole or not at all, and what was answered stands. */
  crash: (client: number, place: number): Command => ({
    check: (model) => !model.dead && model.now - model.answered_at <= IDLE,
    toString: () => `the vault crashes while client ${client} refreshes`,
    async run(model, real) {
      const { vault } = real;
      const generation = model.clients[client] as number;
      const asked = refreshWith(vault, real.held[generation] as Held, PLACES[place]).catch((fault: unknown) => fault);
      await inside(vault, (_vault, state) => state.abort("crash")).catch(() => {});
      const answer = await asked;
      vault.stub = env.USER_VAULT.getByName(vault.id);
      const [family] = await sql<{ head: number }>(vault, "SELECT head FROM family");
      const [row] = await sql<{ repeats: number }>(vault, "SELECT repeats FROM generation ORDER BY n DESC LIMIT 1");
      const repeats = [...(model.generations[model.head] as Generation).repeats.values()].reduce(
        (sum, n) => sum + n,
        0,
      );
      const [token] = await sql<{ revoked_at: number | null }>(
        vault,
        "SELECT revoked_at FROM token WHERE kind = 'app'",
      );
      const happened = family?.head !== model.head || row?.repeats !== repeats || token?.revoked_at !== null;
      const was_answered = typeof answer === "object" && answer !== null && "refresh_token" in answer;
      if (was_answered) expect(happened).toBe(true);
      if (!happened) return;
      const expected = model.refresh(generation, HOMES[place] as string);
      expect(family?.head).toBe(model.head);
      expect(token?.revoked_at === null).toBe(!model.dead);
      if (was_answered) compare(model, real, answer as Held);
      // The lost answer is asked for again.
      else if (expected === "accepted") await present(model, real, generation, place);
      if (!model.dead) model.clients[client] = model.head;
    },
  }),
};

const client = fc.nat(CLIENTS - 1);
const place = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(0, 1) },
  { weight: 1, arbitrary: fc.constantFrom(2, 3) },
);
const any_order = fc.commands(
  [
    fc.tuple(client, place, fc.boolean()).map((given) => commands.refresh(...given)),
    fc.tuple(client, place, fc.integer({ min: 2, max: 8 })).map((given) => commands.together(...given)),
    fc.tuple(client, client).map((given) => commands.share(...given)),
    fc.nat(3).map(commands.use),
    client.map(commands.steal),
    fc.tuple(fc.nat(5), place).map((given) => commands.thief(...given)),
    fc.constantFrom(1_000, 59_000, MINUTE + 1, 5 * MINUTE, 2 * HOUR, 23 * HOUR, 25 * HOUR, IDLE + 1).map(commands.wait),
    fc.constant(commands.sleep()),
    fc.tuple(client, place).map((given) => commands.crash(...given)),
  ],
  { maxCommands: 40, size: "max" },
);

it(
  "in any order of refreshes, losses, thefts, waits, sleeps and crashes the vault does what the rules say",
  async () => {
    // A crash is a fault, and faults are logged.
    vi.spyOn(console, "error").mockReturnValue();
    await fc.assert(
      fc.asyncProperty(any_order, async (order) => {
        // The clock stands still but for the waits: a rule's last millisecond is then a thing that can be tried.
        travel(0);
        const vault = await newVault();
        await storeKey(vault, "k");
        const model = new Model();
        model.found("test");
        const real = { vault, held: [await newRotating(vault, "daily")] };
        await fc.asyncModelRun(() => ({ model, real }), order);
      }),
      { numRuns: RUNS, endOnFailure: false, interruptAfterTimeLimit: 600_000 },
    );
  },
  RUNS * 5_000,
);
