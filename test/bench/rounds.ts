/**
 * Asks everybody in each round, so that a busy minute of the machine falls on all alike; in an order that differs from round
 * to round, so that nobody is always the one who comes after the loudest. Answers what each gave, by name.
 */
export async function interleave<Item extends { name: string }, Given>(
  items: readonly Item[],
  rounds: number,
  ask: (item: Item, round: number) => Promise<Given>,
): Promise<Map<string, Given[]>> {
  const given = new Map(items.map(({ name }) => [name, [] as Given[]]));
  for (let round = 0; round < rounds; round++) {
    const start = round % Math.max(1, items.length);
    for (const item of [...items.slice(start), ...items.slice(0, start)]) {
      given.get(item.name)?.push(await ask(item, round));
    }
  }
  return given;
}

export function mapValues<Key, From, To>(
  map: ReadonlyMap<Key, From>,
  change: (value: From, key: Key) => To,
): Map<Key, To> {
  return new Map([...map].map(([key, value]) => [key, change(value, key)]));
}
