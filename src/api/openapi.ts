import * as z from "zod";
import { cookieName, SESSION_COOKIE } from "../auth/cookies.ts";
import type { Config } from "../config.ts";
import { OPERATIONS, ProblemDetails, REPORT_LEAK, type Authority, type Operation } from "./schema.ts";

const SECURITY: Record<string, Record<string, never[]>> = {
  session: { session: [] },
  session_recent: { session: [] },
  device: { device: [] },
  app: { app: [] },
  refresh: { refresh: [] },
};

type Described = {
  operationId: string;
  summary: string;
  "x-authority": readonly Authority[];
  security: object[];
  parameters: { name: string; in: string; required: boolean; schema: object }[];
  requestBody?: object;
  responses: object;
};

/** An OpenAPI document. */
export type Document = {
  openapi: string;
  info: object;
  servers: object[];
  paths: Record<string, Record<string, Described>>;
  components: object;
};

const IDEMPOTENCY_KEY = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  schema: {
    type: "string",
    minLength: 1,
    maxLength: 255,
    description: "Of your own making: sent again with the same request, it is done once and answered alike",
  },
};

/** The contract as OpenAPI 3.1. `x-authority` is the authority table's row. */
export function openapi(config: Config): Document {
  const paths: Document["paths"] = {};
  for (const [operationId, operation] of Object.entries({ ...OPERATIONS, reportLeak: REPORT_LEAK })) {
    const path = `/v1${operation.path}`;
    paths[path] = { ...paths[path], [operation.method]: describe(operationId, operation) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "API Locker", version: "1" },
    servers: [{ url: config.public_origin }],
    paths,
    components: {
      securitySchemes: {
        session: { type: "apiKey", in: "cookie", name: cookieName(config, SESSION_COOKIE) },
        device: { type: "http", scheme: "bearer", bearerFormat: "alk_dev_…" },
        app: { type: "http", scheme: "bearer", bearerFormat: "alk_app_…" },
        refresh: { type: "http", scheme: "bearer", bearerFormat: "alk_ref_…" },
      },
      responses: {
        problem: {
          description: "A refusal (RFC 9457)",
          content: { "application/problem+json": { schema: schemaOf(ProblemDetails, "output") } },
        },
      },
    },
  };
}

function describe(
  operationId: string,
  { method, summary, may, path, query, body, answer, produces = ["application/json"], status }: Operation,
): Described {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name: String(name),
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const inQuery =
    query instanceof z.ZodObject
      ? Object.entries(query.shape).map(([name, schema]) => ({
          name,
          in: "query",
          required: !(schema as z.ZodType).safeParse(undefined).success,
          schema: schemaOf(schema as z.ZodType, "input"),
        }))
      : [];
  return {
    operationId,
    summary,
    "x-authority": may,
    security: [...new Set(may.map((authority) => JSON.stringify(SECURITY[authority])))].map(
      (one) => JSON.parse(one) as object,
    ),
    parameters: [...inPath, ...inQuery, ...(method === "get" || may.length === 0 ? [] : [IDEMPOTENCY_KEY])],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: schemaOf(body, "input") } } } }),
    responses: {
      [status]: {
        description: summary,
        content: Object.fromEntries(produces.map((type) => [type, { schema: schemaOf(answer, "output") }])),
      },
      default: { $ref: "#/components/responses/problem" },
    },
  };
}

/** A schema as JSON Schema, of what is taken or of what is answered. */
export function schemaOf(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
