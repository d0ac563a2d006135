/** How the one test of a suite begins that is left out for want of a backend. */
export const LEFT_OUT = 'left out: ';
