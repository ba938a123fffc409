import { Problem } from "../problem.ts";
import { withPatience } from "../stores.ts";
import { answerAsync, type Answer } from "./answer.ts";
import type { Caller } from "./tokens/caller.ts";
import { ClosedServer } from "./closed_server.ts";
import type { Effect } from "./account/frozen.ts";
import { vaultExists } from "./migrate.ts";
import { assemble } from "./assemble.ts";
import { admit, type Parts } from "./parts.ts";
import { REACTIONS } from "./alerts/reactions.ts";
import { within } from "./policy/reach.ts";
import type { Token } from "./tokens/token.ts";

/** Names that no RPC can say: what the surfaces below share and nobody outside may call. */
export const held = Symbol("held");
export const live = Symbol("live");
export const caughtUp = Symbol("caughtUp");
export const change = Symbol("change");
export const narrow = Symbol("narrow");
export const stop = Symbol("stop");
export const end = Symbol("end");
export const read = Symbol("read");
export const bury = Symbol("bury");
export const forCaller = Symbol("forCaller");

/**
 * What every part of a vault's RPC surface stands on. An object that holds no vault answers `gone` to everything and writes
 * nothing (SECURITY S13). Public methods are the surface, one line each; they stand in `surface/`, one file a resource.
 */
export abstract class Surface extends ClosedServer {
  [held]: Parts | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, withPatience(env));
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    if (vaultExists(ctx.storage.sql)) this[held] = assemble(ctx.storage, this.env, this.name, this, REACTIONS);
  }

  /** The parts, or a refusal: to a token its vault's absence means that it is dead. */
  [live](code: "invalid_token" | "gone" = "invalid_token"): Parts {
    const parts = this[held];
    if (parts === undefined || parts.deletion.begun) throw new Problem(code, "There is no such vault.");
    return parts;
  }

  /**
   * Works with the parts once a restore that may lie behind this vault is caught up with (SECURITY S18), in the step in which it is:
   * nothing comes between knowing that and the work.
   */
  [caughtUp]<T>(work: (parts: Parts) => T | Promise<T>): Promise<Answer<T>> {
    return answerAsync(async () => {
      const looking = this[live]().restore_watch.look(Date.now());
      if (looking !== undefined) await looking;
      return work(this[live]());
    });
  }

  /** The same for a caller who may ask this, and with what they may see. */
  [forCaller]<T>(
    caller: Caller,
    work: (parts: Parts, by: Token) => T | Promise<T>,
    effect: Effect = "change",
  ): Promise<Answer<T>> {
    return this[caughtUp]((parts) => {
      const by = admit(parts, caller, effect);
      return work(within(parts, by), by);
    });
  }

  [read]<T>(caller: Caller, work: (parts: Parts, by: Token) => T): Promise<Answer<T>> {
    return this[forCaller](caller, work, "read");
  }

  /** A mutation: done once, however often it is asked for under one Idempotency-Key. */
  [change]<T>(caller: Caller, work: (parts: Parts) => T | Promise<T>): Promise<Answer<T>> {
    return this[caughtUp]((parts) => once(parts, caller, "change", work));
  }

  /** A mutation that only takes rights away: a fresh sign-in may ask it of a frozen vault too (SECURITY S15). */
  [stop]<T>(caller: Caller, work: (parts: Parts) => T | Promise<T>): Promise<Answer<T>> {
    return this[caughtUp]((parts) => once(parts, caller, "stop", work));
  }

  /** A mutation that narrows: asked of a frozen vault like one that stops, but a day has room for so many only. */
  [narrow]<T>(caller: Caller, work: (parts: Parts) => T | Promise<T>): Promise<Answer<T>> {
    return this[caughtUp]((parts) => once(parts, caller, "narrow", work));
  }

  /** The end of a session or device: whoever ends their own is let through a freeze, since signing out is never refused. */
  [end]<T>(caller: Caller, id: string, work: (parts: Parts, effect: Effect) => Promise<T>): Promise<Answer<T>> {
    return this[caughtUp]((parts) => {
      const effect = parts.tokens.byHash(caller.hash)?.id === id ? "leave" : "stop";
      return once(parts, caller, effect, (seen) => work(seen, effect));
    });
  }

  /** Goes on with a deletion that was begun; nothing is held once it is done. */
  async [bury](): Promise<void> {
    const parts = this[held];
    if (parts !== undefined && (await parts.deletion.finish(parts))) this[held] = undefined;
  }
}

function once<T>(parts: Parts, caller: Caller, effect: Effect, work: (parts: Parts) => T | Promise<T>): Promise<T> {
  const by = admit(parts, caller, effect);
  return parts.idempotency.once(by.id, caller.repeatable, () => work(within(parts, by)));
}
