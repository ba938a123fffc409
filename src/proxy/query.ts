/** Parameters of a raw query that `unwanted` does not name, to the letter as they came. Names and values are decoded for it. */
export function withoutParameters(rawQuery: string, unwanted: (name: string, value: string) => boolean): string {
  const kept = rawQuery.split("&").filter((pair) => {
    const [name = "", ...value] = pair.split("=");
    return pair !== "" && !unwanted(decodeForm(name), decodeForm(value.join("=")));
  });
  return kept.join("&");
}

/** Names of a raw query's parameters as servers may come to read them: some also part them at semicolons. */
export function parameterNames(rawQuery: string): string[] {
  return rawQuery.split(/[&;]/).map((pair) => decodeForm(pair.split("=")[0] ?? ""));
}

/** Decodes what can be decoded and leaves the rest, as lenient servers do: one broken escape must not hide its neighbours. */
export function decodeForm(text: string): string {
  return text
    .replaceAll("+", " ")
    .replace(/%[0-9a-f]{2}/gi, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)));
}
