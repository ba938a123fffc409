/** Could anybody read the token out of this text, by undoing escapes and opening what looks encoded? */
export function tells(text: string, token: string): boolean {
  const layers = [text];
  for (let depth = 0; depth < 3; depth++) {
    const last = layers[depth] as string;
    layers.push(last.replace(/%[0-9a-f]{2}/gi, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16))));
  }
  return layers.some((layer) => {
    const words = layer.match(/[A-Za-z0-9+/=_-]{20,}/g) ?? [];
    const opened = words.flatMap((word) =>
      [0, 1, 2, 3].flatMap((cut) => [
        Buffer.from(word.slice(cut), "base64").toString("latin1"),
        Buffer.from(word.slice(cut), "hex").toString("latin1"),
      ]),
    );
    return [layer, ...opened].some((reading) => reading.includes(token));
  });
}
