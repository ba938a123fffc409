/** What a snippet is about: an address that stands for an API, and the token that opens it. */
export type Subject = {
  /** The proxy's address of the key. */
  base: string;
  /** The path that the SDK's own base URL ends with. */
  sdk_path: string;
  /** Something harmless to ask for. */
  path: string;
  provider: string;
  token: string;
};

export const LANGUAGES = [
  ["curl", "curl"],
  ["node", "Node"],
  ["python", "Python"],
  ["go", "Go"],
  ["swift", "Swift"],
] as const;

export type Language = (typeof LANGUAGES)[number][0];

/** One call in a language. With the provider's own SDK where most use it, else with what the language brings along. */
export function snippetOf(language: Language, subject: Subject): string {
  const { base, path, token } = subject;
  const url = base + path;
  switch (language) {
    case "curl":
      return `curl ${url} \\\n  -H "Authorization: Bearer ${token}"`;
    case "node":
      return node(subject, url);
    case "python":
      return python(subject, url);
    case "go":
      return go(subject, url);
    case "swift":
      return swift(url, token);
  }
}

function node({ base, sdk_path, provider, token }: Subject, url: string): string {
  switch (provider) {
    case "openai":
      return `import OpenAI from "openai";

const openai = new OpenAI({
  baseURL: "${base}${sdk_path}",
  apiKey: "${token}",
});
for await (const model of openai.models.list()) console.log(model.id);`;
    case "anthropic":
      return `import Anthropic from "@anthropic-ai/sdk";

const anthropic = new Anthropic({
  baseURL: "${base}${sdk_path}",
  apiKey: "${token}",
});
for await (const model of anthropic.models.list()) console.log(model.id);`;
    default:
      return `fetch("${url}", {
  headers: { authorization: "Bearer ${token}" },
})
  .then((response) => response.text())
  .then(console.log);`;
  }
}

function python({ base, sdk_path, provider, token }: Subject, url: string): string {
  switch (provider) {
    case "openai":
      return `from openai import OpenAI

openai = OpenAI(
    base_url="${base}${sdk_path}",
    api_key="${token}",
)
for model in openai.models.list():
    print(model.id)`;
    case "anthropic":
      return `from anthropic import Anthropic

anthropic = Anthropic(
    base_url="${base}${sdk_path}",
    api_key="${token}",
)
for model in anthropic.models.list():
    print(model.id)`;
    default:
      return `import urllib.request

request = urllib.request.Request(
    "${url}",
    headers={"Authorization": "Bearer ${token}"},
)
with urllib.request.urlopen(request) as response:
    print(response.read().decode())`;
  }
}

/** The standard library's client, which runs as it is pasted; the SDKs take the same address and token in their constructors. */
function go({ base, sdk_path, provider, token }: Subject, url: string): string {
  const sdk = { openai: "openai-go", anthropic: "anthropic-sdk-go" }[provider];
  const drop_in =
    sdk === undefined
      ? ""
      : `// With ${sdk}: ${provider}.NewClient(option.WithBaseURL("${base}${sdk_path}"), option.WithAPIKey("${token}"))\n`;
  return `package main

import (
	"io"
	"net/http"
	"os"
)

${drop_in}func main() {
	request, err := http.NewRequest("GET", "${url}", nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer ${token}")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	io.Copy(os.Stdout, response.Body)
}`;
}

function swift(url: string, token: string): string {
  return `import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

var request = URLRequest(url: URL(string: "${url}")!)
request.setValue("Bearer ${token}", forHTTPHeaderField: "Authorization")
let (body, _) = try await URLSession.shared.data(for: request)
print(String(decoding: body, as: UTF8.self))`;
}
