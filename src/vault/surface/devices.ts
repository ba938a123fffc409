import type { Answer } from "../answer.ts";
import { READINGS } from "../calls/readings.ts";
import type { Origin } from "../audit/row.ts";
import type { ConsentAnswer } from "../tokens/authorizations.ts";
import type { Caller } from "../tokens/caller.ts";
import type { Approval, Device, RevealChoice } from "../tokens/devices.ts";
import { keepToken } from "../tokens/keep_token.ts";
import {
  answerDevice,
  answerSignIn,
  approveDevice,
  askingDevice,
  askToUnlock,
  changeDevice,
  device,
  giveDeviceBack,
  redeemDevice,
  type DeviceChanges,
  type Showing,
} from "../tokens/manage_devices.ts";
import { endToken } from "../tokens/manage_tokens.ts";
import type { Receipt } from "../receipt.ts";
import { caughtUp, change, end, forCaller, narrow, read, stop } from "../surface.ts";
import type { Token } from "../tokens/token.ts";
import { GrantSurface } from "./grants.ts";

/** Devices: approved and unlocked by a person in the browser, listed, renamed, revoked. */
export abstract class DeviceSurface extends GrantSurface {
  keepToken(caller: Caller, id: string, for_ms: number): Promise<Answer<Token>> {
    return this[change](caller, (parts) => keepToken(parts, caller, id, for_ms));
  }

  listDevices(caller: Caller, before: string | undefined, limit: number): Promise<Answer<Device[]>> {
    return this[read](caller, (parts) => READINGS.listDevices(parts, before, limit));
  }

  getDevice(caller: Caller, id: string): Promise<Answer<Device>> {
    return this[read](caller, (parts) => device(parts, id));
  }

  /** What only takes away may be said of a frozen vault too. */
  changeDevice(caller: Caller, id: string, changes: DeviceChanges): Promise<Answer<Device>> {
    const effect = changes.name !== undefined ? change : changes.ask === undefined ? stop : narrow;
    return this[effect](caller, (parts) => changeDevice(parts, caller, id, changes));
  }

  giveDeviceBack(caller: Caller, id: string): Promise<Answer<Device>> {
    return this[change](caller, (parts) => giveDeviceBack(parts, caller, id));
  }

  revokeDevice(caller: Caller, id: string): Promise<Answer<Receipt>> {
    return this[end](caller, id, (parts, effect) =>
      endToken(parts, caller, "device.revoke", () => device(parts, id), effect),
    );
  }

  approveDevice(
    caller: Caller,
    wish: Omit<Approval, "approved_by" | "expires_at">,
  ): Promise<Answer<{ approved_by: string }>> {
    return this[forCaller](caller, (parts) => approveDevice(parts, caller, wish));
  }

  /** By whoever shows the code: a device has nothing else yet. */
  redeemDevice(showing: Showing, origin: Origin): Promise<Answer<{ token: string; id: string; expires_at: number }>> {
    return this[caughtUp]((parts) => redeemDevice(parts, showing, origin));
  }

  answerSignIn(
    caller: Caller,
    handle: string,
    wish: Pick<Approval, "name" | "policy" | "reveal"> | null,
  ): Promise<Answer<ConsentAnswer>> {
    return this[forCaller](caller, (parts) => answerSignIn(parts, caller, handle, wish));
  }

  askToUnlock(caller: Caller): Promise<Answer<{ id: string; expires_at: number }>> {
    return this[forCaller](caller, (parts) => askToUnlock(parts, caller));
  }

  askingDevice(caller: Caller, id: string): Promise<Answer<Device>> {
    return this[read](caller, (parts) => askingDevice(parts, caller, id));
  }

  answerDevice(caller: Caller, id: string, reveal: RevealChoice): Promise<Answer<Device>> {
    return this[forCaller](caller, (parts) => answerDevice(parts, caller, id, reveal));
  }
}
