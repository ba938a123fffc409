import type { Answer } from "../answer.ts";
import type { Caller } from "../tokens/caller.ts";
import type { ApiKey } from "../keys/key.ts";
import {
  completeConnect,
  createConnectLink,
  depart,
  disconnect,
  readConnectLink,
  type ConnectPage,
  type Departure,
  type Return,
} from "../connections/manage_connections.ts";
import { change, forCaller, stop } from "../surface.ts";
import { KeySurface } from "./keys.ts";

/** Keys that renew themselves: connected to their provider by a person, and disconnected. */
export abstract class ConnectionSurface extends KeySurface {
  createConnectLink(caller: Caller, ref: string): Promise<Answer<{ handle: string; expires_at: number }>> {
    return this[change](caller, (parts) => createConnectLink(parts, caller, ref));
  }

  readConnectLink(caller: Caller, handle: string): Promise<Answer<ConnectPage>> {
    return this[forCaller](caller, (parts) => readConnectLink(parts, caller, handle));
  }

  depart(caller: Caller, handle: string): Promise<Answer<Departure>> {
    return this[forCaller](caller, (parts) => depart(parts, caller, handle));
  }

  completeConnect(caller: Caller, back: Return): Promise<Answer<ApiKey>> {
    return this[forCaller](caller, (parts) => completeConnect(parts, caller, back));
  }

  disconnect(caller: Caller, ref: string): Promise<Answer<ApiKey>> {
    return this[stop](caller, (parts) => disconnect(parts, caller, ref));
  }
}
