let name: string | undefined;

/**
 * A random name of this isolate. Two things of the same name take turns on one thread, whatever they are to each other; what runs under
 * another name may be anywhere. Nothing random may be had before the first request, so it is made when it is first asked for.
 */
export function isolateName(): string {
  name ??= crypto.randomUUID();
  return name;
}
