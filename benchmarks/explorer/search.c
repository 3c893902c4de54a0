/* Breadth first over small.h with a hash table of its own: what a search of one model can cost.
 *
 * Arguments: depth, bits of the table (default 24). Keys have 64 bits as in ksm_rmap.check.search:
 * states that share one are taken for one. Prints the new states of each depth and when all of
 * them were met, and the depth and time of the first miss of each walk.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "small.h"

static uint64_t *table, mask;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static uint64_t key_of(const byte_t *s) {
  uint64_t key = 0x9e3779b97f4a7c15u, word;
  for (int at = 0; at < SIZE; at += 8) {
    word = 0;
    memcpy(&word, s + at, SIZE - at < 8 ? SIZE - at : 8);
    key = (key ^ word) * 0xff51afd7ed558ccdu;
    key ^= key >> 32;
  }
  return key ? key : 1;
}

static int is_new(const byte_t *s) {
  uint64_t key = key_of(s), at = key & mask;
  for (; table[at]; at = (at + 1) & mask)
    if (table[at] == key) return 0;
  table[at] = key;
  return 1;
}

struct level {
  byte_t (*states)[SIZE];
  size_t count, room;
};

static void add(struct level *level, const byte_t *s) {
  if (level->count == level->room) {
    level->room = level->room ? 2 * level->room : 1024;
    level->states = realloc(level->states, level->room * SIZE);
    if (!level->states) exit(3);
  }
  memcpy(level->states[level->count++], s, SIZE);
}

int main(int argc, char **argv) {
  int depth = argc > 1 ? atoi(argv[1]) : 6, bits = argc > 2 ? atoi(argv[2]) : 24;
  double start = now();
  size_t total = 1;
  struct level old = {0}, coming = {0};
  byte_t s[SIZE] = {0};
  int met[3] = {0};
  mask = ((uint64_t)1 << bits) - 1;
  table = calloc(mask + 1, sizeof *table);
  if (!table) return 3;
  s[ALIVE] = 1;
  is_new(s);
  add(&old, s);
  printf("depth 0 states 1 seconds 0\n");
  for (int d = 1; d <= depth; d++) {
    coming.count = 0;
    for (size_t i = 0; i < old.count; i++)
      for (int step = 0; step < 2 * MOST; step++) {
        if (!small_step(old.states[i], step, s) || !is_new(s)) continue;
        add(&coming, s);
        if (++total * 4 > mask * 3) return 4;
        for (int walk = 1; walk <= 2; walk++)
          if (!met[walk] && small_misses(s, walk)) {
            met[walk] = d;
            printf("miss %d depth %d seconds %.3f\n", walk, d, now() - start);
          }
      }
    struct level swap = old;
    old = coming;
    coming = swap;
    printf("depth %d states %zu seconds %.3f\n", d, old.count, now() - start);
  }
  return 0;
}
