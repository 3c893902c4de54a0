/* The questions of small_model.py for Spin: the relation is small.h, the search is Spin's.
 *
 * A state is the 82 bytes of small.h, with canonical names, so Spin meets the same states. One step
 * of the relation is one step of Spin, so -m bounds the number of calls. With -DWALK=1 (address) or
 * -DWALK=2 (vm_pgoff) an assertion fails in a state in which that walk misses something; with
 * -DBFS the first one that fails is one of the least depth.
 */
#ifndef WALK
#define WALK 0
#endif

c_decl {
\#include "small.h"
};

c_code {
  /* Where all the steps lead from the state that was asked about last: Spin asks for each step. */
  static byte_t coming[2 * MOST][SIZE];
  static byte_t made[2 * MOST];
  static byte_t asked[SIZE];

  static const byte_t *steps_from(const byte_t *s) {
    if (memcmp(s, asked, SIZE)) {
      memcpy(asked, s, SIZE);
      for (int step = 0; step < 2 * MOST; step++) made[step] = small_step(s, step, coming[step]);
    }
    return made;
  }
\#define MADE steps_from(now.s) /* Spin takes no calls in an expression, but it takes names. */
};

byte s[82];

#define S(n) \
  :: d_step { \
       c_expr { MADE[n] } -> \
       c_code { memcpy(now.s, coming[n], SIZE); }; \
       c_code [!WALK || !small_misses(now.s, WALK)] { ; } \
     }
#define TWO(n) S(n) S(n+82)
#define TEN(n) TWO(n) TWO(n+1) TWO(n+2) TWO(n+3) TWO(n+4) TWO(n+5) TWO(n+6) TWO(n+7) TWO(n+8) TWO(n+9)

init {
  d_step { s[32] = 1 };
end:
  do
  TEN(0) TEN(10) TEN(20) TEN(30) TEN(40) TEN(50) TEN(60) TEN(70) TWO(80) TWO(81)
  od
}
