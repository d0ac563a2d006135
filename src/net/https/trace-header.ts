/**
 * The header `traceparent` of the current request, for calls that leave the process. `src/trace` sets `current` when it is loaded, so a
 * process without traces has no cost.
 */
export const traceHeader: { current: (() => string | undefined) | undefined } = {
  current: undefined,
};
