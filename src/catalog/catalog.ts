import { CLOUD } from "./cloud.ts";
import { DEVELOPER } from "./developer.ts";
import { LLM } from "./llm.ts";
import { MEDIA } from "./media.ts";
import { MESSAGING } from "./messaging.ts";
import { MODEL_HOSTS } from "./model_hosts.ts";
import { CONNECTED } from "./connected.ts";
import { OFFICE } from "./office.ts";
import { PAYMENTS } from "./payments.ts";
import type { Category, Provider } from "./provider.ts";

/** The providers we know. Data only; each is tried with its documented request in test/catalog. */
const PROVIDERS: readonly Provider[] = [
  ...LLM,
  ...MODEL_HOSTS,
  ...PAYMENTS,
  ...MESSAGING,
  ...CLOUD,
  ...DEVELOPER,
  ...OFFICE,
  ...MEDIA,
  ...CONNECTED,
];

const BY_ID = new Map(PROVIDERS.map((provider) => [provider.id, provider]));

/** Any API that the catalog does not list: the person gives its base URL. */
export const CUSTOM = "custom";

/** The provider of that id, if we know it. */
export function providerOf(id: string): Provider | undefined {
  return BY_ID.get(id);
}

/** Providers in catalog order: all, or those of a category. */
export function listProviders(category?: Category): readonly Provider[] {
  return category === undefined ? PROVIDERS : PROVIDERS.filter((provider) => provider.category === category);
}
