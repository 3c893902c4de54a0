/* The mixed work of layouts.py on btree.h from C alone: the limit of the Python binding. */
#include <stdio.h>
#include <time.h>

#include "btree.h"
#include "btree_bulk.h"
#include "btree_search.h"

static uint64_t state = 88172645463325252ull;

static uint64_t
draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static struct bt_item *
fresh(uint64_t span)
{
	struct bt_item *item = malloc(sizeof *item + 32); /* as large as an interval */
	uint64_t length = draw(156);
	if (!item)
		exit(1);
	item->start = draw(span);
	item->last = item->start + (draw(100) ? length : length * 30);
	item->leaf = NULL;
	return item;
}

static size_t
search(const struct bt *tree, uint64_t start, uint64_t last)
{
	void *stack[4096];
	struct bt_found found = {stack, 0, 4096, stack};
	if (bt_collect(tree, start, last, &found))
		exit(1);
	return found.count;
}

int
main(int argc, char **argv)
{
	size_t nnodes = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000, live = 0, hits = 0;
	size_t steps = argc > 2 ? strtoul(argv[2], NULL, 10) : 400000;
	struct bt_item **items = malloc((nnodes + steps) * sizeof *items);
	uint8_t *dice = malloc(steps);
	uint64_t span = 100 * nnodes;
	struct timespec from, to;
	struct bt tree;
	if (!items || !dice)
		return 1;
	bt_init(&tree, BT_PAGE);
	while (live < nnodes)
		if (bt_insert(&tree, items[live++] = fresh(span)))
			return 1;
	for (size_t i = 0; i < steps; i++)
		dice[i] = (uint8_t)draw(200);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (size_t i = 0; i < steps; i++) {
		if (dice[i] < 90) {
			uint64_t start = draw(span);
			hits += search(&tree, start, start + (dice[i] < 45 ? 400 : 0));
		} else if (dice[i] < 150) {
			if (bt_insert(&tree, items[live++] = fresh(span)))
				return 1;
		} else {
			size_t at = draw(live);
			struct bt_item *gone = items[at];
			items[at] = items[--live];
			bt_remove(&tree, gone);
			free(gone);
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	double spent = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
	if (bt_check(&tree))
		return 1;
	printf("%.1f %zu\n", spent / (double)steps, hits);
	bt_free(tree.root);
	return 0;
}
