import type { ReactNode } from "react";
import { Page } from "./page.tsx";
import { Answered, type Asked } from "./states.tsx";

type PageOfProps<T> = { title: string; of: Asked<T>; children: (data: T) => ReactNode };

/** The page of one thing. It is called after the kind of thing until it is known which one, or where there is none. */
export function PageOf<T>({ title, of, children }: PageOfProps<T>): ReactNode {
  if (of.data !== undefined) return children(of.data);
  return (
    <Page title={title}>
      <Answered of={of} lines={10}>
        {children}
      </Answered>
    </Page>
  );
}
