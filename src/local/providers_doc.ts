import { secretFieldsOf, type Operation, type Placement, type Provider } from "../catalog/provider.ts";

const HEAD = `# Providers

<!-- Written from src/catalog by src/local/providers_doc.ts: \`UPDATE_DOCS=1 npx vitest run --project node test/catalog\`. -->

Where a provider's documentation says its host, say \`{PROXY_ORIGIN}/v1/proxy/{key}\` instead, and give an app token where it
says the key; all else stays. An SDK gets the same as its base URL, with the path behind it that the column _SDK_ shows.
Any other API is the provider \`custom\`, with a base URL and a placement of its own.

What is said here comes from the linked documentation and from published API descriptions and SDKs. Each row was tried with
the request that the documentation prints (test/catalog), some with their SDKs (test/flows), against upstreams that record
what they see; none against the provider itself.

- _Base URL_: where the secret goes. With \`<…>\` in it, it is the person's own and must be given; every other one can be replaced.
- _Key_: how the upstream is shown the credential. Two fields = a pair for HTTP Basic.
- _Test_: the harmless call that proves a key.
`;

const LINE = `## Credential operations

Operations that mint, rotate or show a credential. They are refused unless a token's policy says
\`allow_credential_endpoints\`: with what they answer, a caller could go on without the locker, and no revocation would reach
it. \`*\` stands for one segment of the path or a part of it, \`**\` for any number of segments.

A credential here is what calls the provider's API, signs a person in, or signs and checks what the provider sends; also a
key that a caller plants (an SSH key, a signing key). What opens a single object is none: the client secret of one payment, a
presigned address, the stream key or playback token of one film, a participant's token for one meeting, an upload session,
or a public client key such as a Sentry DSN. Neither is what gives people access: invitations and roles.

No provider here documents an operation that answers with the headers of the request.
`;

/** What is not in the catalog though somebody may look for it, and why. */
const LEFT_OUT = [
  [
    "Upstash `GET /v2/redis/databases`",
    "whether the list shows passwords is not documented; one database does, and is listed.",
  ],
  ["Vercel `GET /v9/projects/*`", "shows plain variables among much else; refusing it would refuse most uses."],
  [
    "Supabase `GET /v1/projects/*/config/auth` and `/secrets`",
    "their secrets are answered as digests, which is how Supabase's own CLI reads them.",
  ],
  ["Fireworks `/v1/accounts/*/secrets`", "whether a value is ever shown again is not documented."],
  ["Hugging Face organization tokens", "their operations could not be found in public documentation."],
  ["Mistral connector credentials, OpenRouter BYOK keys", "are listed by name or in part, never whole."],
  ["Linear, and GraphQL at Shopify and GitHub", "one path for everything: what is asked travels in the body."],
  [
    "Stripe `account_links`, billing portal and checkout sessions",
    "open one customer's or account's own form; they are the ordinary use of a server key.",
  ],
] as const;

/** What `test/flows/sdk_aws.test.ts` does. */
const AWS = `### SDKs of AWS

The token is the access key's id; the secret access key may be any text, since the locker puts its own signature in the place of the SDK's. The endpoint
is the proxy's address of the key, and the path style keeps the bucket out of the host's name:

\`\`\`ts
const s3 = new S3Client({
  endpoint: "{PROXY_ORIGIN}/v1/proxy/{key}",
  region: "eu-west-1",
  credentials: { accessKeyId: "alk_app_…", secretAccessKey: "unused" },
  forcePathStyle: true,
});
\`\`\`

Bodies are streamed both ways; a stream needs its \`ContentLength\`, as with S3 itself. The checksum that the SDK sends with a body or in its trailer
arrives as it is. Region and service that are signed for are those of the key. The same settings hold for other languages (\`endpoint_url\` and
\`aws_access_key_id\` in Python's boto3, \`--endpoint-url\` and \`AWS_ACCESS_KEY_ID\` on the command line). A presigned address cannot be made with
a token: whoever holds it would go on without the locker.
`;

/** docs/providers.md, from the catalog. */
export function providersDoc(providers: readonly Provider[]): string {
  return [
    HEAD,
    section("Language models", providers, "llm"),
    section("Services", providers, "service"),
    AWS,
    section("Accounts that are connected", providers, "oauth"),
    LINE,
    ...providers.filter(({ credential_operations }) => credential_operations !== undefined).map(operations),
    `## Left out\n\n${LEFT_OUT.map(([what, why]) => `- ${what}: ${why}`).join("\n")}\n`,
  ].join("\n");
}

function section(title: string, providers: readonly Provider[], category: Provider["category"]): string {
  const those = providers.filter((provider) => provider.category === category);
  const notes = those.filter(({ note }) => note !== undefined).map(({ name, note }) => `- **${name}.** ${note}`);
  return [
    `## ${title}\n`,
    ...table([["id", "name", "base URL", "key", "SDK", "test"], ...those.map(row)]),
    "",
    ...notes,
    "",
  ].join("\n");
}

function row(provider: Provider): string[] {
  const { id, name, base_url, base_url_hint, placement, headers = {}, sdk_base_path, test, docs_url } = provider;
  const fixed = Object.entries(headers).map(([header, value]) => `, and \`${header}: ${value}\``);
  return [
    `\`${id}\``,
    `[${name}](${docs_url})`,
    `\`${base_url ?? base_url_hint}\``,
    shown(placement) + fixed.join(""),
    sdk_base_path === undefined ? "" : `\`${sdk_base_path}\``,
    test === undefined ? "none" : `\`${test.method} ${test.path}\``,
  ];
}

/** A table as the formatter leaves it: columns of one width. */
function table(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)];
}

function shown(placement: Placement): string {
  switch (placement.in) {
    case "bearer":
      return "Bearer";
    case "basic":
      return `Basic: ${secretFieldsOf(placement).join(", ")}`;
    case "header":
      return `\`${placement.name}: ${placement.prefix ?? ""}{secret}\``;
    case "headers":
      return Object.entries(placement.headers)
        .map(([name, template]) => `\`${name}: ${template}\``)
        .join(", ");
    case "sigv4":
      return `AWS Signature V4: ${secretFieldsOf(placement).join(", ")}`;
    case "oauth":
      return placement.grant === "jwt_bearer" ? "OAuth: client_id, private_key" : "OAuth: client_id, client_secret";
    case "query":
      return `\`?${placement.name}={secret}\``;
  }
}

function operations({ name, credential_operations = [] }: Provider): string {
  return `### ${name}\n\n${credential_operations.map(operation).join("\n")}\n`;
}

function operation({ method, path }: Operation): string {
  return `- \`${method === "*" ? "any" : method} ${path}\``;
}
