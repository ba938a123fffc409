import type * as z from "zod";
import type { OperationId, OPERATIONS } from "../../api/schema.ts";
import { setClock } from "./clock.ts";

type Operations = typeof OPERATIONS;
type RouteOf<Id extends OperationId> = `${Uppercase<Operations[Id]["method"]>} ${Operations[Id]["path"]}`;

/** An operation of the contract, written as in its documentation: `GET /keys/{key}`. */
export type Route = { [Id in OperationId]: RouteOf<Id> }[OperationId];
type IdOf<R extends Route> = { [Id in OperationId]: RouteOf<Id> extends R ? Id : never }[OperationId];
type Row<R extends Route> = Operations[IdOf<R>];

type Params<Path> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Params<Rest> : never;
type Query<Schema> = { query?: { [Name in keyof z.input<Schema & z.ZodType>]?: string | number | undefined } };
type Body<Schema> = { body: z.input<Schema & z.ZodType> };

/** What an operation is given, as its row of the contract says. */
export type Given<R extends Route> = ([Params<R>] extends [never] ? object : { params: Record<Params<R>, string> }) &
  (Row<R> extends { query: infer Schema } ? Query<Schema> : object) &
  (Row<R> extends { body: infer Schema } ? Body<Schema> : object);

/** What an operation answers. */
export type Answer<R extends Route> = z.output<Row<R>["answer"]>;

type Wire = { params?: Record<string, string>; query?: Record<string, string | number | undefined>; body?: unknown };

/** A refusal of the API in its own words (RFC 9457). `errors` names the fields of a form. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;
  readonly code: string;
  readonly errors: readonly { field: string; rule: string }[];
  /** How long to wait before it is asked again; undefined where that is no help. */
  readonly wait_ms: number | undefined;

  constructor(status: number, { code, detail, title, errors }: Problem, retry_after: string | null = null) {
    super(detail ?? title ?? "The request was refused.");
    this.status = status;
    this.wait_ms = retry_after === null ? undefined : Number(retry_after) * 1_000;
    this.code = code ?? "unknown";
    this.errors = errors ?? [];
  }
}

type Problem = { code?: string; detail?: string; title?: string; errors?: { field: string; rule: string }[] };

function problemIn(text: string): Problem {
  try {
    return JSON.parse(text) as Problem;
  } catch {
    return {};
  }
}

/** Signs that turn the direction of what follows: a name with one of them would turn our own words beside it. */
const TURNING = /[\u202A-\u202E\u2066-\u2069]/g;

function straight(text: string): string {
  return text.replace(TURNING, "\ufffd");
}

/** Calls an operation as whoever is signed in. */
export async function call<R extends Route>(route: R, given: Given<R>, signal?: AbortSignal): Promise<Answer<R>> {
  const { body } = given as Wire;
  const [method = ""] = route.split(" ");
  const response = await fetch(addressOf(route, given), {
    method,
    signal: signal ?? null,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json", accept: "application/json" } }),
  }).catch((fault: unknown) => {
    if (signal?.aborted === true) throw fault;
    throw new Refused(0, { code: "offline", detail: "The locker cannot be reached. Are you online?" });
  });
  setClock(response.headers.get("date"));
  if (!response.ok) throw await refusalOf(response);
  const text = await response.text();
  // A secret is shown as it is, to the letter; nobody but its owner wrote it.
  return JSON.parse(route.endsWith("/reveal") ? text : straight(text)) as Answer<R>;
}

/** What an answer refuses. Whoever is not signed in leaves for the sign-in page. */
export async function refusalOf(response: Response): Promise<Refused> {
  const problem = problemIn(straight(await response.text()));
  if (response.status === 401) signInAgain();
  return new Refused(response.status, problem, response.headers.get("retry-after"));
}

/** The address of an operation, for links that download. */
export function addressOf<R extends Route>(route: R, given: Given<R>): string {
  const { params = {}, query = {} } = given as Wire;
  const [, path = ""] = route.split(" ");
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") search.set(name, String(value));
  }
  return `/v1${filled}${search.size > 0 ? `?${search.toString()}` : ""}`;
}

/** Leaves for the sign-in page, and comes back here. */
export function signInAgain(): void {
  const here = location.pathname + location.search;
  location.assign(`/sign-in?${new URLSearchParams({ return_to: here }).toString()}`);
}
