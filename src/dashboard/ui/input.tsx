import { Input as KumoInput, InputArea as KumoInputArea } from "@cloudflare/kumo/components/input";
import type { ComponentProps, ReactNode } from "react";

/** Kumo's field, which shows what is wrong with it but does not say to a screen reader that something is. */
export function Input(props: ComponentProps<typeof KumoInput>): ReactNode {
  return <KumoInput aria-invalid={props.error !== undefined} {...props} />;
}

/** The same with several lines. */
export function InputArea(props: ComponentProps<typeof KumoInputArea>): ReactNode {
  return <KumoInputArea aria-invalid={props.error !== undefined} {...props} />;
}
