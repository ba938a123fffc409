/** The internet as clients' documents see it: hosts that a test fills, and that count who asked. */
import type { Internet } from "../../src/local/internet.ts";

type Page = (request: Request) => Response | Promise<Response>;

/** A host of a test's own. What it was not told of is 404. */
export class ClientHost {
  readonly host: string;
  readonly asked: Request[] = [];
  readonly #pages = new Map<string, Page>();

  constructor(host: string) {
    this.host = host;
  }

  /** Serves a document; answers its address. */
  serve(path: string, document: object | string, headers: Record<string, string> = {}): string {
    const body = typeof document === "string" ? document : JSON.stringify(document);
    return this.answer(path, () => new Response(body, { headers: { "content-type": "application/json", ...headers } }));
  }

  answer(path: string, page: Page): string {
    this.#pages.set(path, page);
    return `https://${this.host}${path}`;
  }

  /** Serves the document of a client that does everything right; more fields override. */
  describe(path: string, more: object = {}, headers: Record<string, string> = {}): string {
    const client_id = `https://${this.host}${path}`;
    const said = { client_id, client_name: "Documented", redirect_uris: ["http://127.0.0.1/callback"], ...more };
    return this.serve(path, said, headers);
  }

  /** How often this path was asked for. */
  count(path: string): number {
    return this.asked.filter(({ url }) => new URL(url).pathname === path).length;
  }

  get internet(): Internet {
    return {
      [this.host]: (request) => {
        this.asked.push(request);
        const page = this.#pages.get(new URL(request.url).pathname);
        return page?.(request) ?? new Response("not here", { status: 404 });
      },
    };
  }
}
