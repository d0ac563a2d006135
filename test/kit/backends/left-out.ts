/** The title prefix of the one test of a suite that is skipped because a backend is missing. */
export const LEFT_OUT = 'left out: ';
