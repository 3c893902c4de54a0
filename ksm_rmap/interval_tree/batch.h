/*
 * Batches of searches: many queries answered in one pass.
 *
 * The number of intervals that overlap [a, b] is the number that start at b or before,
 * less the number that end before a. Both are ranks in sorted arrays, so a batch sorts
 * its own bounds and the tree's lasts (radix sort, linear) and merges. The cost is
 * O(n + m) for m queries whatever the number of hits; a small batch searches the tree.
 */
#ifndef KSM_RMAP_BATCH_H
#define KSM_RMAP_BATCH_H

#include "btree_bulk.h"
#include "btree_search.h"

/* A key and what it belongs to. */
struct bt_key {
	uint64_t key;
	uint64_t tag;
};

/* Bits in which the keys differ; 0 also if they ascend, for then no pass is needed. */
static uint64_t
bt_disorder(const struct bt_key *keys, size_t count)
{
	uint64_t differ = 0;
	int sorted = 1;
	for (size_t i = 1; i < count; i++) {
		differ |= keys[i].key ^ keys[0].key;
		sorted &= keys[i - 1].key <= keys[i].key;
	}
	return sorted ? 0 : differ;
}

static void
bt_sort_pass(const struct bt_key *from, struct bt_key *to, size_t count, unsigned shift)
{
	size_t place[257] = {0};
	for (size_t i = 0; i < count; i++)
		place[(from[i].key >> shift & 255) + 1]++;
	for (unsigned digit = 1; digit < 256; digit++)
		place[digit] += place[digit - 1];
	for (size_t i = 0; i < count; i++)
		to[place[from[i].key >> shift & 255]++] = from[i];
}

/* Sort by key, stable, with `spare` of equal size; return which of the two is sorted. */
static struct bt_key *
bt_sort(struct bt_key *keys, struct bt_key *spare, size_t count)
{
	uint64_t differ = bt_disorder(keys, count);
	for (unsigned shift = 0; shift < 64; shift += 8) {
		if (!(differ >> shift & 255))
			continue;
		bt_sort_pass(keys, spare, count, shift);
		struct bt_key *sorted = spare;
		spare = keys;
		keys = sorted;
	}
	return keys;
}

/* Whether keys ascend. Does not stop early: a loop without an exit becomes vector code. */
static int
bt_ascend(const uint64_t *keys, size_t count)
{
	int descents = 0;
	for (size_t i = 1; i < count; i++)
		descents |= keys[i - 1] > keys[i];
	return !descents;
}

/* Write the lasts (or the starts) of all items, in order of start. */
static uint64_t *
bt_copy_bounds(const struct bt_page *page, int lasts, uint64_t *to)
{
	if (!page->height) {
		memcpy(to, lasts ? page->lasts : page->starts, page->count * sizeof *to);
		return to + page->count;
	}
	for (uint32_t i = 0; i < page->count; i++)
		to = bt_copy_bounds(page->slots[i], lasts, to);
	return to;
}

/* Queries: closed ranges [starts[i], lasts[i]], each checked by the caller. */
struct bt_batch {
	const uint64_t *starts, *lasts;
	size_t count;
};

/* Room for a batch and the tree: two arrays of keys, one of two bounds for each item. */
struct bt_work {
	struct bt_key *keys, *spare;
	uint64_t *bounds;
};

static void
bt_work_free(struct bt_work *work)
{
	BT_FREE(work->keys);
	BT_FREE(work->spare);
	BT_FREE(work->bounds);
}

static int
bt_work_init(struct bt_work *work, size_t items, size_t queries)
{
	size_t most = items > queries ? items : queries;
	work->keys = BT_MALLOC((most + 1) * sizeof *work->keys);
	work->spare = BT_MALLOC((most + 1) * sizeof *work->spare);
	work->bounds = BT_MALLOC((2 * items + 1) * sizeof *work->bounds);
	if (work->keys && work->spare && work->bounds)
		return 0;
	bt_work_free(work);
	return -1;
}

/* Return the numbers of the queries in order of the given bound. */
static const struct bt_key *
bt_order(const struct bt_work *work, const uint64_t *bounds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		work->keys[i] = (struct bt_key){bounds[i], i};
	return bt_sort(work->keys, work->spare, count);
}

/* Leave the lasts of all items, ascending, in work->bounds. */
static void
bt_sorted_lasts(const struct bt *tree, const struct bt_work *work)
{
	bt_copy_bounds(tree->root, 1, work->bounds);
	const struct bt_key *sorted = bt_order(work, work->bounds, tree->size);
	for (size_t i = 0; i < tree->size; i++)
		work->bounds[i] = sorted[i].key;
}

/* counts[i] = how many items overlap query i, by sorting and merging. */
static void
bt_sweep(const struct bt *tree, const struct bt_batch *batch, const struct bt_work *work,
	 int64_t *counts)
{
	const uint64_t *bounds = work->bounds;
	size_t rank = 0;
	bt_sorted_lasts(tree, work);
	const struct bt_key *query = bt_order(work, batch->starts, batch->count);
	for (const struct bt_key *end = query + batch->count; query < end; query++) {
		while (rank < tree->size && bounds[rank] < query->key)
			rank++;
		counts[query->tag] = -(int64_t)rank;
	}
	bt_copy_bounds(tree->root, 0, work->bounds);
	query = bt_order(work, batch->lasts, batch->count);
	rank = 0;
	for (const struct bt_key *end = query + batch->count; query < end; query++) {
		while (rank < tree->size && bounds[rank] <= query->key)
			rank++;
		counts[query->tag] += (int64_t)rank;
	}
}

/* Count for a whole batch. Return 0, or -1 without memory. */
static int
bt_count_many(const struct bt *tree, const struct bt_batch *batch, int64_t *counts)
{
	struct bt_work work;
	if (!tree->root) {
		memset(counts, 0, batch->count * sizeof *counts);
	} else if (batch->count < tree->size / 8) {
		for (size_t i = 0; i < batch->count; i++)
			counts[i] = (int64_t)bt_count(tree, batch->starts[i], batch->lasts[i]);
	} else {
		if (bt_work_init(&work, tree->size, batch->count))
			return -1;
		bt_sweep(tree, batch, &work, counts);
		bt_work_free(&work);
	}
	return 0;
}

/* Write the ranks of what overlaps [start, last]; bt_number() must have been called. */
static void
bt_ranks(const struct bt *tree, uint64_t start, uint64_t last, int64_t *to)
{
	struct bt_walk walk;
	struct bt_run run;
	bt_walk_begin(&walk, tree, start, last, 0);
	while (bt_step(&walk, &run)) {
		if (!run.leaf) {
			run.leaf = run.item->leaf;
			run.slots = (uint64_t)1 << bt_slot_of(run.leaf, run.item);
		}
		for (; run.slots; run.slots &= run.slots - 1)
			*to++ = (int64_t)(run.leaf->rank + bt_lowest(run.slots));
	}
}

/* Search the tree for one query after the other; good for a small batch. */
static void
bt_pairs_by_search(const struct bt *tree, const struct bt_batch *batch, const int64_t *begins,
		   int64_t *ranks)
{
	bt_number(tree->root, 0);
	for (size_t i = 0; i < batch->count; i++)
		bt_ranks(tree, batch->starts[i], batch->lasts[i], ranks + begins[i]);
}

/*
 * Answer queries [a, b] in order of a. Of the items that start before a, `active` has
 * those that reached the query before; each that ends before a leaves it for good. The
 * items that start in a .. b all overlap, and their ranks follow one another.
 */
static void
bt_pairs_by_sweep(const struct bt *tree, const struct bt_batch *batch, const int64_t *begins,
		  int64_t *ranks, const struct bt_work *work)
{
	uint64_t *starts = work->bounds, *lasts = work->bounds + tree->size;
	const struct bt_key *query = bt_order(work, batch->starts, batch->count);
	struct bt_key *active = query == work->keys ? work->spare : work->keys;
	size_t next = 0, held = 0;
	bt_copy_bounds(tree->root, 0, starts);
	bt_copy_bounds(tree->root, 1, lasts);
	for (const struct bt_key *end = query + batch->count; query < end; query++) {
		int64_t *to = ranks + begins[query->tag], *stop = ranks + begins[query->tag + 1];
		for (; next < tree->size && starts[next] < query->key; next++)
			active[held++] = (struct bt_key){lasts[next], next};
		size_t kept = 0;
		for (size_t i = 0; i < held; i++)
			if (active[i].key >= query->key) {
				active[kept++] = active[i];
				*to++ = (int64_t)active[i].tag;
			}
		held = kept;
		for (size_t rank = next; to < stop; rank++)
			*to++ = (int64_t)rank;
	}
}

/*
 * Write the pairs (number of query, rank of item), ordered by query and then by rank.
 * `begins` tells for each query, and for one past the last, where its pairs begin.
 * O(n + m + pairs). Return 0, or -1 without memory.
 */
static int
bt_pairs(const struct bt *tree, const struct bt_batch *batch, const int64_t *begins,
	 int64_t *queries, int64_t *ranks)
{
	struct bt_work work;
	for (size_t i = 0; i < batch->count; i++)
		for (int64_t pair = begins[i]; pair < begins[i + 1]; pair++)
			queries[pair] = (int64_t)i;
	if (!tree->root)
		return 0;
	if (batch->count < tree->size / 8) {
		bt_pairs_by_search(tree, batch, begins, ranks);
		return 0;
	}
	if (bt_work_init(&work, tree->size, batch->count))
		return -1;
	bt_pairs_by_sweep(tree, batch, begins, ranks, &work);
	bt_work_free(&work);
	return 0;
}

#endif
