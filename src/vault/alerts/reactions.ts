import { reseal } from "../keys/reseal.ts";
import { deliverNext } from "./deliver.ts";
import { hear } from "./hear.ts";
import type { Reactions } from "../parts.ts";
import { restored } from "../account/restoration.ts";
import { raiseAlert, watch } from "./raise.ts";

/** What a vault does of itself. */
export const REACTIONS: Reactions = { hear, raise: raiseAlert, watch, deliver: deliverNext, reseal, catchUp: restored };
