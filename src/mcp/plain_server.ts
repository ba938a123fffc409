import {
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type HandlerResultTypeMap,
  type RequestMethod,
  type RequestTypeMap,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { asProblem } from "../problem.ts";

type Answerer<M extends RequestMethod> = (
  asked: RequestTypeMap[M],
  context: ServerContext,
) => HandlerResultTypeMap[M] | Promise<HandlerResultTypeMap[M]>;

/**
 * The SDK's server in our words. Left alone it passes on what an error says, and that may be a store's or a stack's (DESIGN D11): what goes
 * wrong while we answer is told as it would be over HTTP, and what goes wrong before that is wrong with the request.
 */
export class PlainServer extends Server {
  answer<M extends RequestMethod>(method: M, answerer: Answerer<M>): void {
    this.setRequestHandler(method, async (asked, context) => {
      try {
        return await answerer(asked, context);
      } catch (thrown) {
        if (thrown instanceof ProtocolError) throw thrown;
        const { code, message, extras } = asProblem(thrown);
        const data = { code, retry_after_s: extras.retry_after_s };
        throw new ProtocolError(ProtocolErrorCode.InternalError, message, data);
      }
    });
  }

  protected override _wrapHandler(...[method, handler]: Parameters<Server["_wrapHandler"]>) {
    const judged = super._wrapHandler(method, handler);
    return async (...asked: Parameters<typeof judged>) => {
      try {
        return await judged(...asked);
      } catch (thrown) {
        if (thrown instanceof ProtocolError) throw thrown;
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Invalid params for ${method}${fieldIn(thrown)}.`);
      }
    };
  }
}

/** Which field a request is wrong in. The SDK tells it as zod does, in the text of its error. */
function fieldIn(fault: unknown): string {
  const [, field] = /"path": \[\s*"params",\s*"([A-Za-z_]+)"/.exec(fault instanceof Error ? fault.message : "") ?? [];
  return field === undefined ? "" : `: ${field}`;
}
