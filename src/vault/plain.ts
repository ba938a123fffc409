/** A name that somebody else chose, without what turns text around or hides it: each of that is shown as what it is, something wrong. */
export function plain(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\ufffd");
}
