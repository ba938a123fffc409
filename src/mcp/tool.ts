import type { ContentBlock } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Config } from "../config.ts";
import type { Scope } from "../vault/policy/scopes.ts";
import type { Caller } from "../vault/tokens/caller.ts";
import type { UserVault } from "../vault/vault.ts";
import type { Person } from "./person.ts";
import type { ReadingName } from "../vault/calls/readings.ts";
import type { Bearer, Visit } from "./visit.ts";

/** For whom something is asked of a vault; `vault` where it is not asked directly. */
export type Behalf = { env: Env; visit: Bearer; vault?: DurableObjectStub<UserVault> };

/** What a tool works with. `caller` is judged by the vault for the tool's own scope, whatever was listed. */
export type Asked = {
  env: Env;
  ctx: Pick<ExecutionContext, "waitUntil">;
  config: Config;
  visit: Visit;
  vault: DurableObjectStub<UserVault>;
  caller: Caller;
  /** Fires when the client has given the call up. */
  signal: AbortSignal;
  /** Says how far a long call is; nobody need listen. */
  progress: (done: number, total: number | undefined, message: string) => Promise<void>;
  /** The human behind the client, as far as the client lets them be asked. */
  person: Person;
};

/** More than structured content: something to show beside it. */
export type Shown<T> = { structured: T; content: ContentBlock[]; status?: number | undefined };

/** What a tool does to the world; told to clients as hints, and never relied upon. */
type Effect = "reads" | "adds" | "changes" | "destroys" | "calls out";

/** A tool as one row of the table. `keyOf` names the key that a call is about, for its audit row. */
export type Tool<In extends z.ZodObject = z.ZodObject, Out extends z.ZodObject = z.ZodObject> = Row<In, Out> &
  Run<In, Out>;

type Row<In extends z.ZodObject, Out extends z.ZodObject> = {
  name: string;
  title: string;
  description: string;
  scope: Scope;
  effect: Effect;
  input: In;
  output: Out;
  keyOf?(input: z.output<In>): string | undefined;
};

/**
 * What a tool does. One that tells nothing but what the vault answers to one question names it as its `reading`: who asks, what they
 * see and the record of it are then one step of the vault.
 */
type Run<In extends z.ZodObject, Out extends z.ZodObject> =
  | { reading?: undefined; run(asked: Asked, input: z.output<In>): Promise<Done<Out>> }
  | { reading: ReadingName; run(by: Required<Behalf>, input: z.output<In>): Promise<z.output<Out>> };

type Done<Out extends z.ZodObject> = z.output<Out> | Shown<z.output<Out>>;

/** A row with its types kept together while it is written. */
export function tool<In extends z.ZodObject, Out extends z.ZodObject>(row: Tool<In, Out>): Tool {
  return row;
}

const HINTS: Record<Effect, { readOnly: boolean; destructive: boolean; idempotent: boolean; openWorld: boolean }> = {
  reads: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
  adds: { readOnly: false, destructive: false, idempotent: false, openWorld: false },
  changes: { readOnly: false, destructive: false, idempotent: true, openWorld: false },
  destroys: { readOnly: false, destructive: true, idempotent: true, openWorld: false },
  "calls out": { readOnly: false, destructive: true, idempotent: false, openWorld: true },
};

/** A row as `tools/list` tells it. */
export function describe({ name, title, description, effect, input, output }: Tool) {
  const { readOnly, destructive, idempotent, openWorld } = HINTS[effect];
  return {
    name,
    title,
    description,
    inputSchema: jsonSchema(input, "input"),
    outputSchema: jsonSchema(output, "output"),
    annotations: {
      title,
      readOnlyHint: readOnly,
      destructiveHint: destructive,
      idempotentHint: idempotent,
      openWorldHint: openWorld,
    },
  };
}

function jsonSchema(schema: z.ZodObject, io: "input" | "output") {
  return z.toJSONSchema(schema, { io, unrepresentable: "any" }) as { type: "object"; [key: string]: unknown };
}
