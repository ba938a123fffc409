/** `token` with another last character than it has: never the token itself, whatever it ends with. */
export function spoiled(token: string): string {
  return token.slice(0, -1) + (token.endsWith("0") ? "1" : "0");
}
