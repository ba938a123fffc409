// A string, a comment, or a comma that ends a list: only the first is kept.
const TOKENS = /("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
const LAST_COMMA = /("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g;

/** Reads JSON that a person may have commented. */
export function parseJsonc(text: string): unknown {
  return JSON.parse(text.replace(TOKENS, "$1").replace(LAST_COMMA, "$1"));
}
