import { useKumoToastManager } from "@cloudflare/kumo/components/toast";

/** Waits for something to be done and says how it went, in a corner; without `done`, only that it did not work. */
export function useTold(): <Done>(doing: Promise<Done>, done?: string) => Promise<Done | undefined> {
  const toasts = useKumoToastManager();
  return async (doing, done) => {
    try {
      const result = await doing;
      if (done !== undefined) toasts.add({ title: done, variant: "success" });
      return result;
    } catch (error) {
      toasts.add({ title: "That did not work", description: (error as Error).message, variant: "error" });
      return undefined;
    }
  };
}
