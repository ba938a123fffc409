/** Variables of an environment, whosever it is. */
export type Environment = Readonly<Record<string, string | undefined>>;
