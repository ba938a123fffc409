import { ask } from "../../vault/answer.ts";
import type { Showing } from "../../vault/tokens/manage_devices.ts";
import { Problem } from "../../problem.ts";
import type { Asked, TokenResponse } from "./grant_type.ts";

/** A device's token for the code that it shows, however it came by it. It is no OAuth access token: with it, a device manages its owner's vault. */
export async function deviceToken(
  { env, origin }: Pick<Asked, "env" | "origin">,
  vault_id: string,
  showing: Showing,
): Promise<TokenResponse> {
  try {
    const { token, id, expires_at } = await ask(env.USER_VAULT.getByName(vault_id).redeemDevice(showing, origin));
    const expires_in = Math.floor((expires_at - Date.now()) / 1_000);
    return { access_token: token, token_type: "Bearer", expires_in, device_id: id };
  } catch (refused) {
    // A vault that is gone has taken its codes with it.
    if (refused instanceof Problem && (refused.code === "invalid_token" || refused.code === "gone"))
      throw new Problem("invalid_grant", "This code is not known here.");
    throw refused;
  }
}
