import { fetch as really, Response as Answer, type Request as Asked } from "miniflare";

/** The internet as far as a test needs one: who answers for a host. Every other host is really called. */
export type Internet = Record<string, (request: Request) => Response | Promise<Response>>;

/** Stands between the Worker and the network. */
export function outboundOf(internet: Internet) {
  return async (request: Asked): Promise<Answer> => {
    const answer = internet[new URL(request.url).host];
    if (answer === undefined) return really(request);
    const { method, headers, url } = request;
    const body = method === "GET" || method === "HEAD" ? null : await request.text();
    const {
      status,
      headers: answered,
      body: stream,
    } = await answer(new Request(url, { method, headers: [...headers], body }));
    return new Answer(stream as never, { status, headers: [...answered] });
  };
}
