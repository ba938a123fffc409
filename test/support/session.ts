import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";

/** Lets a person's sign-ins be an hour old, as their vault remembers them. */
export async function signedInLongAgo(locker: LocalLocker, { cookie }: Person): Promise<void> {
  const name = cookie.slice(cookie.indexOf("=") + 1).slice(10, 34);
  const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "UserVault", { name });
  await storage.exec("UPDATE token SET signed_in_at = signed_in_at - 3600000");
  await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", { name });
}
