import type { Locker, Answer } from "./client.ts";
import { Failure } from "./failure.ts";
import { secretVariable, steers } from "./env_names.ts";
import { findRc, RC_NAME } from "./rc_file.ts";
import { note, plain } from "./terminal.ts";

/** A secret by the variable that a program finds it in. */
export type Variable = { name: string; value: string; key: string };

const AT_ONCE = 50;

/** The keys that are meant: said, or those of the project's `.apilockerrc`. */
export async function wantedKeys(said: readonly string[] | undefined): Promise<string[]> {
  if (said !== undefined && said.length > 0) return [...new Set(said)];
  const rc = await findRc(process.cwd());
  if (rc === undefined)
    throw new Failure("It was not said which keys.", {
      hint: `Say --keys a,b, or list them in ${RC_NAME}: apilocker init`,
    });
  if (rc.keys.length === 0) throw new Failure(`${rc.path} names no keys.`);
  return rc.keys;
}

/** Keys' secrets as variables, named after what was asked for: a key that was renamed is found in the variable of old. */
export async function variablesFor(locker: Locker, keys: readonly string[]): Promise<Variable[]> {
  const variables: Variable[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const asked = keys.slice(at, at + AT_ONCE);
    const { items } = await locker.call("POST /keys/reveal", { body: { keys: asked } });
    for (const [index, revealed] of items.entries()) {
      const ref = asked[index] ?? revealed.name;
      tellIfRenamed(ref, revealed);
      variables.push(...named(ref, revealed));
    }
  }
  assertDistinct(variables);
  for (const { name, key } of variables)
    if (steers(name))
      throw new Failure(
        `${key} would be the variable ${name}, by which programs are told what to run or whom to ask.`,
        {
          hint: "Give the key another name.",
        },
      );
  return variables;
}

/** Says on stderr that a key was asked for by a name of before, so that files which say it are brought up to date some day. */
export function tellIfRenamed(ref: string, { id, name }: { id: string; name: string }): void {
  if (ref !== name && ref !== id) note(`apilocker: ${ref} is called ${plain(name)} now; the old name goes on working.`);
}

function named(ref: string, { fields, name: current }: Answer<"POST /keys/reveal">["items"][number]): Variable[] {
  // An id is nothing that a program looks for.
  const key = ref.startsWith("key_") ? current : ref;
  const entries = Object.entries(fields);
  return entries.map(([field, value]) => ({ name: secretVariable(key, field, entries.length), value, key }));
}

/** Two keys must not fight for one variable: which of them would win is nothing to guess. */
function assertDistinct(variables: readonly Variable[]): void {
  const owners = new Map<string, string>();
  for (const { name, key } of variables) {
    const other = owners.get(name);
    if (other !== undefined && other !== key)
      throw new Failure(`${other} and ${key} both want to be ${name}.`, { hint: "Leave one of them out." });
    owners.set(name, key);
  }
}
