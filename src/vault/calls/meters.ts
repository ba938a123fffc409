import { trialMeter } from "../policy/judge.ts";
import type { Charge } from "../policy/judgement.ts";
import { dayOf, depthOf, type Reading } from "../policy/limits.ts";

/** A call under way, and the meters of its tokens. */
export type Open = { seq: number; meters: readonly string[] };

/** Calls under way by meter, and the meters of each. */
type UnderWay = { by_meter: Map<string, Set<number>>; by_seq: Map<number, readonly string[]> };

/** How a meter stands. `times` are its last uses, oldest first; the last `in_slot` of them stand in its newest slot. */
type State = { used: number; day: number; day_used: number; slot: number; in_slot: number; times: number[] };

type Row = { slot: number; used: number; day: number; day_used: number; times: ArrayBuffer };

const A_SLOT = 64;
/** Times kept in memory, of all meters together (SECURITY S27). */
const REMEMBERED_TIMES = 100_000;
const REMEMBERED = 2_000;

/**
 * Table `meter`: what has been used of each token whose policy counts. A use is written in the very step that lets its call
 * through, one row a meter, and what is in memory can always be read again; so a count is exact through eviction and restart.
 * Meters belong to a token's id: rotation changes nothing about them. Calls under way are not counted here but looked up
 * once among the pending audit rows (`findOpen`), then followed in memory.
 */
export class Meters {
  readonly #sql: SqlStorage;
  readonly #findOpen: () => readonly Open[];
  readonly #states = new Map<string, State>();
  #times = 0;
  /** Undefined until somebody asks. */
  #open: UnderWay | undefined;

  constructor(sql: SqlStorage, findOpen: () => readonly Open[]) {
    this.#sql = sql;
    this.#findOpen = findOpen;
  }

  /** What a meter shows now. */
  read(name: string): Omit<Reading, "spent"> {
    const state = this.#state(name);
    return {
      used: state.used,
      usedOn: (day) => (state.day === day ? state.day_used : 0),
      nthLast: (n) => state.times.at(-n),
      open: () => this.#calls().by_meter.get(name)?.size ?? 0,
    };
  }

  /** Counts a call that was let through, in the step that did it. */
  charge(charges: readonly Charge[], seq: number, now: number): void {
    for (const { meter, limits } of charges) {
      const state = this.#state(meter);
      const day = dayOf(now);
      state.used++;
      state.day_used = state.day === day ? state.day_used + 1 : 1;
      state.day = day;
      const depth = depthOf(limits.rate);
      if (depth > 0) this.#addTime(meter, state, now, depth);
      this.#write(meter, state);
    }
    if (this.#open !== undefined && charges.length > 0)
      this.#enter(this.#open, { seq, meters: charges.map(({ meter }) => meter) });
  }

  /** Counts calls that this meter does not remember (SECURITY S18). */
  add(name: string, calls: number, day: number): void {
    const state = this.#state(name);
    state.used += calls;
    if (day > state.day) Object.assign(state, { day, day_used: 0 });
    if (day === state.day) state.day_used += calls;
    this.#write(name, state);
  }

  /** The call came to nothing before its secret left: its use, and its share of the day, were none. Its place in a rate's window stays. */
  giveBack(charges: readonly Charge[], charged_at: number): void {
    for (const { meter } of charges) {
      const state = this.#state(meter);
      state.used--;
      if (state.day === dayOf(charged_at)) state.day_used--;
      this.#write(meter, state);
    }
  }

  /** A call is no longer under way. */
  free(seq: number): void {
    if (this.#open === undefined) return;
    for (const meter of this.#open.by_seq.get(seq) ?? []) {
      const calls = this.#open.by_meter.get(meter);
      calls?.delete(seq);
      if (calls?.size === 0) this.#open.by_meter.delete(meter);
    }
    this.#open.by_seq.delete(seq);
  }

  /** A token whose policy did not count was in use before: the meter goes on from there. */
  begin(name: string, used: number): void {
    const state = this.#state(name);
    if (state.used >= used) return;
    state.used = used;
    this.#write(name, state);
  }

  /** A policy was changed: whose calls are under way is looked up again. */
  policyChanged(): void {
    this.#open = undefined;
  }

  /** A token is gone for good. */
  remove(token_id: string): void {
    for (const each of [token_id, trialMeter(token_id)]) {
      this.#sql.exec("DELETE FROM meter WHERE name = ?", each);
      this.#states.delete(each);
    }
  }

  #calls(): UnderWay {
    if (this.#open === undefined) {
      this.#open = { by_meter: new Map(), by_seq: new Map() };
      for (const call of this.#findOpen()) this.#enter(this.#open, call);
    }
    return this.#open;
  }

  #enter({ by_meter, by_seq }: UnderWay, { seq, meters }: Open): void {
    by_seq.set(seq, meters);
    for (const meter of meters) {
      const calls = by_meter.get(meter);
      if (calls === undefined) by_meter.set(meter, new Set([seq]));
      else calls.add(seq);
    }
  }

  #addTime(name: string, state: State, now: number, depth: number): void {
    if (state.in_slot === A_SLOT) {
      state.slot++;
      state.in_slot = 0;
      this.#sql.exec("DELETE FROM meter WHERE name = ? AND slot < ?", name, state.slot - 1 - Math.ceil(depth / A_SLOT));
    }
    state.times.push(now);
    state.in_slot++;
    this.#times++;
    const most = 2 * Math.max(depth, A_SLOT);
    if (state.times.length <= most) return;
    this.#times -= state.times.length - most / 2;
    state.times = state.times.slice(-most / 2);
  }

  #write(name: string, { slot, used, day, day_used, times, in_slot }: State): void {
    this.#sql.exec(
      `INSERT INTO meter (name, slot, used, day, day_used, times) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET used = excluded.used, day = excluded.day, day_used = excluded.day_used, times = excluded.times`,
      name,
      slot,
      used,
      day,
      day_used,
      in_slot === 0 ? new ArrayBuffer(0) : Float64Array.from(times.slice(-in_slot)).buffer,
    );
  }

  #state(name: string): State {
    const known = this.#states.get(name);
    if (known !== undefined) return known;
    if (this.#states.size >= REMEMBERED || this.#times >= REMEMBERED_TIMES) {
      this.#states.clear();
      this.#times = 0;
    }
    const rows = this.#rows(name);
    const last = rows.at(-1);
    const times = rows.flatMap((row) => [...new Float64Array(row.times)]);
    const in_slot = (last?.times.byteLength ?? 0) / Float64Array.BYTES_PER_ELEMENT;
    const state = last === undefined ? { ...NEW, times } : { ...last, times, in_slot };
    this.#states.set(name, state);
    this.#times += times.length;
    return state;
  }

  #rows(name: string): Row[] {
    return this.#sql
      .exec<Row>("SELECT slot, used, day, day_used, times FROM meter WHERE name = ? ORDER BY slot", name)
      .toArray();
  }
}

const NEW = { used: 0, day: 0, day_used: 0, slot: 0, in_slot: 0 };
