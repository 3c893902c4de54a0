/* The B+-tree of btree.h as a whole: freeing, numbering, building, checking. */
#ifndef KSM_RMAP_BTREE_BULK_H
#define KSM_RMAP_BTREE_BULK_H

#include "btree.h"

static void
bt_free(struct bt_page *page)
{
	if (page->height)
		for (uint32_t i = 0; i < page->count; i++)
			bt_free(page->slots[i]);
	BT_FREE(page);
}

/* Give each leaf the rank of its first item; return the rank after the last. */
static uint64_t
bt_number(struct bt_page *page, uint64_t rank)
{
	page->rank = rank;
	if (!page->height)
		return rank + page->count;
	for (uint32_t i = 0; i < page->count; i++)
		rank = bt_number(page->slots[i], rank);
	return rank;
}

static void
bt_fill_slot(struct bt_page *page, void *below)
{
	if (page->height) {
		bt_put_child(page, page->count, below);
	} else {
		const struct bt_item *item = below;
		bt_set(page, page->count++, item->start, item->last, below);
	}
}

/* How many of what is left go into the next page: all fit, or two pages share the end. */
static inline size_t
bt_take(const struct bt *tree, size_t left)
{
	if (left > tree->limit && left - tree->limit < tree->minimum)
		return left / 2;
	return left < tree->limit ? left : tree->limit;
}

/*
 * Make pages one level above `count` items or pages and return their number, or 0
 * without memory; then every page made so far is freed, those in `below` too. Pages are
 * filled to the limit; the last two share what is left. `made` may be `below` itself.
 */
static size_t
bt_build_level(const struct bt *tree, void **below, size_t count, uint32_t height, void **made)
{
	size_t pages = 0;
	for (size_t used = 0; used < count; pages++) {
		size_t take = bt_take(tree, count - used);
		struct bt_page *page = bt_new_page(height);
		if (!page) {
			while (height && used < count)
				bt_free(below[used++]);
			while (pages)
				bt_free(made[--pages]);
			return 0;
		}
		while (page->count < take)
			bt_fill_slot(page, below[used++]);
		made[pages] = page;
	}
	return pages;
}

static void
bt_link(struct bt_page *page)
{
	bt_adopt(page, 0, page->count);
	if (page->height)
		for (uint32_t i = 0; i < page->count; i++)
			bt_link(page->slots[i]);
}

/* Items not made yet: bounds, and their numbers in order of start, NULL if 0, 1, 2 .. */
struct bt_columns {
	const uint64_t *starts, *lasts, *order;
	size_t count;
};

/* Make leaves over numbers, as bt_build_level() does over items. */
static size_t
bt_build_leaves(const struct bt *tree, const struct bt_columns *given, void **made)
{
	size_t pages = 0;
	for (size_t used = 0; used < given->count; pages++) {
		struct bt_page *page = bt_new_page(0);
		if (!page) {
			while (pages)
				bt_free(made[--pages]);
			return 0;
		}
		page->count = (uint32_t)bt_take(tree, given->count - used);
		for (uint32_t i = 0; i < page->count; i++, used++) {
			size_t number = given->order ? (size_t)given->order[used] : used;
			bt_set(page, i, given->starts[number], given->lasts[number],
			       bt_unmade(number));
		}
		made[pages] = page;
	}
	return pages;
}

/*
 * Build pages over items in order or, without them, over numbers; O(n). They come in place
 * of the pages there are, which the caller frees afterwards. Return 0, or -1 without
 * memory: then nothing has changed.
 */
static int
bt_build(struct bt *tree, void **items, const struct bt_columns *numbers, size_t count)
{
	if (!count) {
		tree->root = NULL;
		tree->size = 0;
		return 0;
	}
	void **level = BT_MALLOC((count / tree->limit + 2) * sizeof *level);
	if (!level)
		return -1;
	uint32_t height = 0;
	size_t pages = items ? bt_build_level(tree, items, count, height, level)
			     : bt_build_leaves(tree, numbers, level);
	while (pages > 1)
		pages = bt_build_level(tree, level, pages, ++height, level);
	if (pages) {
		tree->root = level[0];
		tree->size = count;
		bt_link(tree->root);
	}
	BT_FREE(level);
	return pages ? 0 : -1;
}

/* ---- invariants ---- */

/* Return the first broken invariant of a page or those below, or NULL. */
static const char *
bt_check_page(const struct bt *tree, const struct bt_page *page, size_t *items)
{
	uint32_t least = page == tree->root ? (page->height ? 2 : 1) : tree->minimum;
	if (page->count > tree->limit)
		return "a page has at most `limit` slots";
	if (page->count < least)
		return "a page has at least `minimum` slots";
	for (uint32_t i = 0; i < page->count; i++) {
		if (i && page->starts[i - 1] > page->starts[i])
			return "starts ascend";
		if (page->height) {
			const struct bt_page *child = page->slots[i];
			const char *broken = bt_check_page(tree, child, items);
			if (broken)
				return broken;
			if (child->parent != page)
				return "a child knows its parent";
			if (child->height + 1 != page->height)
				return "all leaves are equally deep";
			struct bt_bounds of = bt_bounds(child);
			if (page->starts[i] != of.start)
				return "a start is the first start below";
			if (page->lasts[i] != of.last)
				return "a last is the greatest last below";
			if (BT_BRANCH(page)->seconds[i] != of.second)
				return "a second is the second greatest last below";
			if (BT_BRANCH(page)->longest[i] != of.longest)
				return "`longest` is the only item with the greatest last below";
			if (i + 1 < page->count &&
			    child->starts[child->count - 1] > page->starts[i + 1])
				return "starts ascend";
			continue;
		}
		++*items;
		if (page->starts[i] > page->lasts[i])
			return "start <= last";
		if (bt_is_unmade(page->slots[i]))
			continue;
		const struct bt_item *item = page->slots[i];
		if (item->leaf != page)
			return "an item knows its leaf";
		if (page->starts[i] != item->start || page->lasts[i] != item->last)
			return "a leaf has the bounds of its items";
	}
	return NULL;
}

/* Return the first broken invariant, or NULL. O(n). */
static const char *
bt_check(const struct bt *tree)
{
	size_t items = 0;
	if (tree->root) {
		const char *broken = bt_check_page(tree, tree->root, &items);
		if (broken)
			return broken;
		if (tree->root->parent)
			return "the root has no parent";
	}
	return items == tree->size ? NULL : "size is the number of items";
}

#endif
