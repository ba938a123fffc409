import { McpAgent } from "agents/mcp";
import type { AuthInfo, JSONRPCMessage, Transport } from "@modelcontextprotocol/server";
import { serverFor } from "./server.ts";
import { visitIn, VISIT_HEADER } from "./session_wire.ts";

/** What `McpAgent` tells of the request that a message came with. */
type Heard = { requestInfo?: { headers: Record<string, string | string[] | undefined> } };
type Wire = Omit<Transport, "onmessage"> & { onmessage?: (message: JSONRPCMessage, heard?: Heard) => void };

/**
 * The one place that knows `McpAgent`, which is frozen upstream and goes when sessions do (DESIGN D7). It keeps the transport:
 * streams that survive its sleep, and the client's `initialize`, which is played back to a fresh server after each wake. What is
 * served is the same server that clients of today get.
 */
export class SessionAgent extends McpAgent<Env> {
  /** `McpAgent` only ever connects it; that its server is of the newer SDK is what {@link asCurrent} is for. */
  override server = {
    connect: async (wire: Wire) => (await serverFor(this.env, this.ctx)).connect(asCurrent(wire)),
  } as never;

  override async init(): Promise<void> {}

  /** Results are kept nowhere: a stream that breaks is not played back (SECURITY S23). */
  override getEventStore(): undefined {
    return undefined;
  }
}

/** The transport as the newer SDK wants it: who asks comes with each message, from a header that only our router sets. */
function asCurrent(wire: Wire): Transport {
  const transport: Transport = {
    start: () => wire.start(),
    send: (message, options) => wire.send(message, options),
    close: () => wire.close(),
  };
  wire.onmessage = (message, heard) => {
    const packed = heard?.requestInfo?.headers[VISIT_HEADER];
    transport.onmessage?.(message, typeof packed === "string" ? { authInfo: authInfoOf(packed) } : undefined);
  };
  wire.onclose = () => transport.onclose?.();
  wire.onerror = (error) => transport.onerror?.(error);
  return transport;
}

function authInfoOf(packed: string): AuthInfo {
  const visit = visitIn(packed);
  return { token: "", clientId: visit.guest.id, scopes: [...visit.guest.scopes], extra: { visit } };
}
