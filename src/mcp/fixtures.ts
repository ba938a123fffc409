import {
  CLIENT_CAPABILITIES_META_KEY,
  InMemoryServerEventBus,
  inputRequired,
  LOG_LEVEL_META_KEY,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  type CallToolResult,
  type ClientCapabilities,
  type GetPromptResult,
  type InputRequests,
  type InputRequiredResult,
  type ListToolsResult,
  type Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { Config } from "../config.ts";
import { newState, openState, sealState } from "./request_state.ts";
import type { Answers } from "./server.ts";
import type { Visit } from "./visit.ts";

/**
 * What the conformance suite asks of a server: tools, prompts and resources of its own making. They stand beside ours on a local
 * run with MCP_CONFORMANCE_FIXTURES only, are loaded only then, and touch no vault.
 */
type Fixture = (call: Call) => Promise<CallToolResult | InputRequiredResult> | CallToolResult | InputRequiredResult;
type Call = { args: Record<string, unknown>; context: ServerContext; server: Server; seal: Seal };
type Seal = { make: (tool: string) => string; open: (sealed: unknown, tool: string) => boolean };

/** What a server with fixtures says that it can do. */
export const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  logging: {},
  completions: {},
};

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

/** Change events between requests of one isolate: enough for a suite, nothing that we rely upon. */
export const bus = new InMemoryServerEventBus();

const text = (value: string) => ({ type: "text" as const, text: value });
const said = (value: string): CallToolResult => ({ content: [text(value)] });
const pause = (ms: number) => scheduler.wait(ms);

const ask = (message: string, field: string, type: "string" | "boolean" = "string") =>
  inputRequired.elicit({
    message,
    requestedSchema: {
      type: "object",
      properties: { [field]: type === "string" ? { type } : { type } },
      required: [field],
    },
  });
const sample = (prompt: string, maxTokens: number) =>
  inputRequired.createMessage({ messages: [{ role: "user", content: text(prompt) }], maxTokens });

/** What the client brought back under that key, where it is an answer at all. */
function answerOf({ context }: Call, key: string): Record<string, unknown> | undefined {
  const answer = context.mcpReq.inputResponses?.[key];
  return typeof answer === "object" && answer !== null ? (answer as Record<string, unknown>) : undefined;
}

function contentOf(call: Call, key: string): Record<string, unknown> | undefined {
  const answer = answerOf(call, key);
  return answer?.action === "accept" ? (answer.content as Record<string, unknown>) : undefined;
}

function envelopeOf({ mcpReq }: ServerContext): Record<string, unknown> {
  return { ...mcpReq.envelope };
}

function capabilitiesOf({ context, server }: Call): ClientCapabilities {
  const declared = envelopeOf(context)[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
  return declared ?? server.getClientCapabilities() ?? {};
}

/** A request to the client in the middle of a call, as 2025 knew it. */
async function elicited({ context }: Call, params: object): Promise<CallToolResult> {
  const { action, content } = (await context.mcpReq.send({
    method: "elicitation/create",
    params: params as Record<string, unknown>,
  })) as { action: string; content?: object };
  return said(`action=${action}, content=${JSON.stringify(content ?? {})}`);
}

const names = ["first", "second", "third"];
const titled = names.map((name, index) => ({ const: `value${index + 1}`, title: `The ${name}` }));
const options = names.map((_name, index) => `option${index + 1}`);

const TOOLS: Record<string, { input?: Record<string, unknown>; run: Fixture }> = {
  test_simple_text: { run: () => said("This is a simple text response for testing.") },
  test_image_content: { run: () => ({ content: [{ type: "image", data: PIXEL, mimeType: "image/png" }] }) },
  test_audio_content: { run: () => ({ content: [{ type: "audio", data: SILENCE, mimeType: "audio/wav" }] }) },
  test_embedded_resource: {
    run: () => ({
      content: [
        { type: "resource", resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "Embedded." } },
      ],
    }),
  },
  test_multiple_content_types: {
    run: () => ({
      content: [
        text("Several kinds:"),
        { type: "image", data: PIXEL, mimeType: "image/png" },
        {
          type: "resource",
          resource: { uri: "test://mixed-content-resource", mimeType: "application/json", text: '{"test":"data"}' },
        },
      ],
    }),
  },
  test_tool_with_logging: {
    run: async ({ context }) => {
      for (const data of ["started", "processing", "completed"]) {
        await context.mcpReq.notify({ method: "notifications/message", params: { level: "info", data } });
        await pause(20);
      }
      return said("Logged.");
    },
  },
  test_tool_with_progress: {
    run: async ({ context }) => {
      const progressToken = context.mcpReq._meta?.progressToken ?? 0;
      for (const progress of [0, 50, 100]) {
        await context.mcpReq.notify({
          method: "notifications/progress",
          params: { progressToken, progress, total: 100 },
        });
        await pause(20);
      }
      return said(String(progressToken));
    },
  },
  test_error_handling: {
    run: () => ({ ...said("This tool intentionally returns an error for testing"), isError: true }),
  },
  test_reconnection: {
    run: async ({ context }) => {
      context.http?.closeSSE?.();
      await pause(50);
      return said("Done.");
    },
  },
  test_sampling: {
    input: { prompt: { type: "string" } },
    run: async ({ args, context }) => {
      const params = { messages: [{ role: "user", content: text(String(args.prompt)) }], maxTokens: 100 };
      const { content } = (await context.mcpReq.send({ method: "sampling/createMessage", params })) as {
        content?: { text?: string };
      };
      return said(`LLM response: ${content?.text ?? ""}`);
    },
  },
  test_elicitation: {
    input: { message: { type: "string" } },
    run: (call) =>
      elicited(call, {
        message: String(call.args.message),
        requestedSchema: { type: "object", properties: { response: { type: "string" } }, required: ["response"] },
      }),
  },
  test_elicitation_sep1034_defaults: {
    run: (call) =>
      elicited(call, {
        message: "Review the defaults",
        requestedSchema: {
          type: "object",
          properties: {
            name: { type: "string", default: "John Doe" },
            age: { type: "integer", default: 30 },
            score: { type: "number", default: 95.5 },
            status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
            verified: { type: "boolean", default: true },
          },
          required: [],
        },
      }),
  },
  test_elicitation_sep1330_enums: {
    run: (call) =>
      elicited(call, {
        message: "Choose",
        requestedSchema: {
          type: "object",
          properties: {
            untitledSingle: { type: "string", enum: options },
            titledSingle: { type: "string", oneOf: titled },
            legacyEnum: {
              type: "string",
              enum: ["opt1", "opt2", "opt3"],
              enumNames: ["Option One", "Option Two", "Option Three"],
            },
            untitledMulti: { type: "array", minItems: 1, maxItems: 3, items: { type: "string", enum: options } },
            titledMulti: { type: "array", minItems: 1, maxItems: 3, items: { anyOf: titled } },
          },
          required: [],
        },
      }),
  },
  test_input_required_result_elicitation: {
    run: (call) => {
      const name = contentOf(call, "user_name")?.name;
      if (typeof name === "string") return said(`Hello, ${name}!`);
      return inputRequired({ inputRequests: { user_name: ask("What is your name?", "name") } });
    },
  },
  test_input_required_result_sampling: {
    run: (call) => {
      const answer = answerOf(call, "capital_question")?.content as { text?: string } | undefined;
      if (answer !== undefined) return said(answer.text ?? "");
      return inputRequired({ inputRequests: { capital_question: sample("What is the capital of France?", 100) } });
    },
  },
  test_input_required_result_list_roots: {
    run: (call) => {
      const roots = answerOf(call, "client_roots")?.roots as { uri: string }[] | undefined;
      if (roots !== undefined) return said(roots.map(({ uri }) => uri).join(", "));
      return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
    },
  },
  test_input_required_result_request_state: {
    run: stateful("test_input_required_result_request_state", "confirm", ask("Please confirm", "ok", "boolean")),
  },
  test_input_required_result_tampered_state: {
    run: stateful("test_input_required_result_tampered_state", "confirm", ask("Please confirm", "ok", "boolean")),
  },
  test_input_required_result_multiple_inputs: {
    run: (call) => {
      const keys = ["user_name", "greeting", "client_roots"];
      if (keys.every((key) => answerOf(call, key) !== undefined)) return said("All there.");
      return inputRequired({
        inputRequests: {
          user_name: ask("What is your name?", "name"),
          greeting: sample("Generate a greeting", 50),
          client_roots: inputRequired.listRoots(),
        },
        requestState: call.seal.make("multiple_inputs"),
      });
    },
  },
  test_input_required_result_multi_round: {
    run: (call) => {
      if (contentOf(call, "step2") !== undefined) return said("Done.");
      const second = contentOf(call, "step1") !== undefined;
      const inputRequests: InputRequests = second
        ? { step2: ask("Step 2: What is your favorite color?", "color") }
        : { step1: ask("Step 1: What is your name?", "name") };
      return inputRequired({ inputRequests, requestState: call.seal.make(second ? "round-2" : "round-1") });
    },
  },
  test_input_required_result_capabilities: {
    run: (call) => {
      const { elicitation, sampling, roots } = capabilitiesOf(call);
      const inputRequests: InputRequests = {
        ...(elicitation === undefined ? {} : { elicitation: ask("What is your name?", "name") }),
        ...(sampling === undefined ? {} : { sampling: sample("Say something", 50) }),
        ...(roots === undefined ? {} : { roots: inputRequired.listRoots() }),
      };
      const asked = Object.keys(inputRequests);
      if (asked.every((key) => answerOf(call, key) !== undefined)) return said("Done.");
      return inputRequired({ inputRequests });
    },
  },
  test_missing_capability: {
    run: (call) => {
      if (capabilitiesOf(call).sampling !== undefined) return said("Sampling is declared.");
      throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
    },
  },
  test_streaming_elicitation: {
    run: (call) => {
      if (answerOf(call, "user_name") !== undefined) return said("Done.");
      return inputRequired({ inputRequests: { user_name: ask("What is your name?", "name") } });
    },
  },
  test_logging_tool: {
    run: async ({ context }) => {
      if (envelopeOf(context)[LOG_LEVEL_META_KEY] !== undefined)
        await context.mcpReq.notify({ method: "notifications/message", params: { level: "info", data: "logged" } });
      return said("Done.");
    },
  },
  test_trigger_tool_change: {
    run: () => {
      bus.publish({ kind: "tools_list_changed" });
      return said("Changed.");
    },
  },
  test_trigger_prompt_change: {
    run: () => {
      bus.publish({ kind: "prompts_list_changed" });
      return said("Changed.");
    },
  },
  json_schema_2020_12_tool: { run: () => said("Done.") },
};

/** A schema with all that the suite wants kept as it is. */
const RICH_SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object" as const,
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // oxlint-disable-next-line unicorn/no-thenable -- a word of JSON Schema
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

function stateful(tool: string, key: string, request: InputRequests[string]): Fixture {
  return (call) => {
    const state = call.context.mcpReq.requestState();
    if (state === undefined || answerOf(call, key) === undefined)
      return inputRequired({ inputRequests: { [key]: request }, requestState: call.seal.make(tool) });
    if (!call.seal.open(state, tool))
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, "Invalid or expired requestState");
    return said("state-ok");
  };
}

const PROMPTS = [
  { name: "test_simple_prompt", description: "A simple prompt" },
  {
    name: "test_prompt_with_arguments",
    description: "A prompt with arguments",
    arguments: [
      { name: "arg1", required: true },
      { name: "arg2", required: true },
    ],
  },
  {
    name: "test_prompt_with_embedded_resource",
    description: "A prompt with a resource",
    arguments: [{ name: "resourceUri", required: true }],
  },
  { name: "test_prompt_with_image", description: "A prompt with an image" },
  { name: "test_input_required_result_prompt", description: "A prompt that asks" },
];

const messages = (...content: GetPromptResult["messages"][number]["content"][]) => ({
  messages: content.map((one) => ({ role: "user" as const, content: one })),
});

function prompt(name: string, args: Record<string, string> = {}, context: ServerContext) {
  switch (name) {
    case "test_simple_prompt":
      return messages(text("This is a simple prompt for testing."));
    case "test_prompt_with_arguments":
      return messages(text(`Prompt with arguments: arg1='${args.arg1}', arg2='${args.arg2}'`));
    case "test_prompt_with_embedded_resource": {
      const resource = { uri: args.resourceUri ?? "", mimeType: "text/plain", text: "Embedded." };
      return messages({ type: "resource", resource }, text("Process the resource above."));
    }
    case "test_prompt_with_image":
      return messages({ type: "image", data: PIXEL, mimeType: "image/png" }, text("Analyze the image above."));
    case "test_input_required_result_prompt": {
      const answer = context.mcpReq.inputResponses?.user_context as { content?: { context?: string } } | undefined;
      if (answer?.content?.context !== undefined) return messages(text(`Context: ${answer.content.context}`));
      return inputRequired({ inputRequests: { user_context: ask("What context should the prompt use?", "context") } });
    }
    default:
      return undefined;
  }
}

const RESOURCES = [
  { uri: "test://static-text", name: "static-text", mimeType: "text/plain" },
  { uri: "test://static-binary", name: "static-binary", mimeType: "image/png" },
  { uri: "test://watched-resource", name: "watched-resource", mimeType: "text/plain" },
];

function resource(uri: string) {
  const [, id] = /^test:\/\/template\/([^/]+)\/data$/.exec(uri) ?? [];
  if (id !== undefined)
    return {
      uri,
      mimeType: "application/json",
      text: JSON.stringify({ id, templateTest: true, data: `Data for ${id}` }),
    };
  if (uri === "test://static-binary") return { uri, mimeType: "image/png", blob: PIXEL };
  if (RESOURCES.some((one) => one.uri === uri)) return { uri, mimeType: "text/plain", text: `The text of ${uri}.` };
  throw new ResourceNotFoundError(uri);
}

/** The fixtures beside what we serve. */
export function beside(
  ours: Answers,
  server: Server,
  config: Config,
  visitOf: (context: ServerContext) => Visit,
): Answers {
  return {
    listTools: async (context) => {
      const { tools } = await ours.listTools(context);
      const added = Object.entries(TOOLS).map(([name, { input = {} }]) => ({
        name,
        description: `Asked for by the conformance suite: ${name}`,
        inputSchema: name === "json_schema_2020_12_tool" ? RICH_SCHEMA : { type: "object" as const, properties: input },
      }));
      return { tools: [...tools, ...added] } as ListToolsResult;
    },
    callTool: (asked, context) => {
      const fixture = TOOLS[asked.name];
      if (fixture === undefined) return ours.callTool(asked, context);
      const visit = visitOf(context);
      const seal: Seal = {
        make: (tool) => sealState(config, visit, newState(tool, {})),
        open: (sealed, tool) => opens(config, visit, sealed, tool),
      };
      return fixture.run({ args: asked.arguments ?? {}, context, server, seal });
    },
    listPrompts: async () => ({ prompts: [...(await ours.listPrompts()).prompts, ...PROMPTS] }),
    getPrompt: (asked, context) => prompt(asked.name, asked.arguments, context) ?? ours.getPrompt(asked, context),
    listResources: async (asked, context) => {
      const { resources, ...page } = await ours.listResources(asked, context);
      return { ...page, resources: [...resources, ...RESOURCES] };
    },
    listTemplates: async (context) => {
      const { resourceTemplates } = await ours.listTemplates(context);
      const template = { uriTemplate: "test://template/{id}/data", name: "template", mimeType: "application/json" };
      return { resourceTemplates: [...resourceTemplates, template] };
    },
    readResource: (asked, context) =>
      asked.uri.startsWith("test://") ? { contents: [resource(asked.uri)] } : ours.readResource(asked, context),
  };
}

function opens(config: Config, visit: Visit, sealed: unknown, tool: string): boolean {
  try {
    return typeof sealed === "string" && openState(config, visit, sealed, tool, {}) !== undefined;
  } catch {
    return false;
  }
}
